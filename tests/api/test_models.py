"""What SDKs list."""

import httpx
import openai
import pytest


def test_list(gateway, key):
    """The official client lists all 18 models."""
    with gateway.openai(key) as client:
        models = list(client.models.list())

    assert 18 == len(models)
    assert {"model"} == {model.object for model in models}
    assert {"gpt-image-1", "dall-e-3", "V3"} < {model.id for model in models}


@pytest.mark.parametrize("name", ["V3", "v3", "ideogram/V3", "stability/Stable-Diffusion-3-5-Large", "ERNIE iRAG"])
def test_retrieve(gateway, key, name):
    """A model is found by id or alias, also where the SDK writes a slash as %2F."""
    with gateway.openai(key) as client:
        assert client.models.retrieve(name).owned_by


def test_retrieve_unknown(gateway, key):
    """An unknown model is the SDK's NotFoundError."""
    with gateway.openai(key) as client, pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("black-forest/flux 1")

    assert ("model_not_found", "model") == (raised.value.code, raised.value.param)


def test_needs_a_key(gateway):
    """The list is for holders of a key."""
    assert 401 == httpx.get(f"{gateway.url}/v1/models", trust_env=False).status_code

"""The Vercel AI SDK: `openai.image()` and the OpenAI-compatible provider's `imageModel()`."""

from pathlib import Path

import pytest

from tests.clients import environments
from tests.clients.catalogue import MODELS, extra, picture

MODULE = Path(__file__).with_name("ai_sdk.mjs")
OPTIONS_KEY = {"openai": "openai", "compatible": "gateway"}


def run(node, gateway, *calls):
    """Make calls, all at once; returns what came of each."""
    job = {"base_url": f"{gateway.url}/v1", "key": gateway.key(), "calls": calls}
    return environments.run_node(node, MODULE, job)


def wish(provider, model, **options):
    """Write down a call."""
    return {"provider": provider, "model": model, "prompt": "a red fox"} | options


def delivered(outcome):
    """Check that each picture is what its media type says; returns their sizes."""
    assert "images" in outcome, outcome
    looked_at = [(image["mediaType"], *picture(image["base64"])) for image in outcome["images"]]
    assert all(media == f"image/{encoding}" for media, encoding, _ in looked_at)
    return [size for _, _, size in looked_at]


@pytest.mark.parametrize("provider", ["openai", "compatible"])
def test_every_model(node, gateway, provider):
    """Each model draws with default parameters; several pictures come from one call where the SDK is told to."""
    calls = [
        wish(provider, model.id)
        for model in MODELS
        if not extra(model)  # `image` travels as a provider option, which only one of the two passes on
    ]
    *outcomes, several, wide = run(
        node,
        gateway,
        *calls,
        wish(provider, "V3", n=3, maxImagesPerCall=10),
        wish(provider, "gpt-image-1", size="1536x1024", providerOptions={OPTIONS_KEY[provider]: {"quality": "low"}}),
    )

    for outcome in outcomes:
        assert 1 == len(delivered(outcome))
    assert (3, 1) == (len(delivered(several)), several["attempts"])
    assert 3 == len({image["base64"] for image in several["images"]})
    assert ["1536x1024"] == delivered(wide)


def test_native_parameters(node, gateway, sandbox):
    """The compatible provider's options reach the model: its own parameters, and the reference image it needs."""
    needy = next(model for model in MODELS if extra(model))
    outcomes = run(
        node,
        gateway,
        wish("compatible", "V3", providerOptions={"gateway": {"aspect_ratio": "16:9", "seed": 7}}),
        wish("compatible", needy.id, providerOptions={"gateway": extra(needy)}),
    )

    for outcome in outcomes:
        assert delivered(outcome)
    (sent,) = [call.body["input"] for call in sandbox.calls if call.billable and call.model == "V3"]
    assert ("16x9", 7) == (sent["aspect_ratio"], sent["seed"])


@pytest.mark.parametrize("provider", ["openai", "compatible"])
def test_errors(node, gateway, sandbox, provider):
    """Errors tell status, message, code and param; a 503 is repeated after the time that the gateway names."""
    sandbox.drill("V3", "http-503", 4)
    wrong, unknown, moderated, refused = run(
        node,
        gateway,
        wish(provider, "gpt-image-1", size="banana"),
        wish(provider, "gpt-9"),
        wish(provider, "gpt-image-1", prompt="[[sandbox:moderated]]"),
        wish(provider, "V3"),
    )

    for outcome, told in (
        (wrong, (400, "invalid_value", "size")),
        (unknown, (404, "model_not_found", "model")),
        (moderated, (400, "moderation_blocked", None)),
    ):
        error = outcome["error"]
        assert told == (error["status"], error["code"], error["param"])
        assert error["message"] == error["text"]
        assert 1 == outcome["attempts"]
    assert delivered(refused)
    assert 2 == refused["attempts"]

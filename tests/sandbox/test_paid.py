"""What a paid call must look like before anything is drawn, and what it costs."""

import httpx
import pytest

from tests.support.sandbox_calls import KEY, LINK, PNG, buy

JSON = {**KEY, "content-type": "application/json"}
PATH = "/v1/models/ideogram/V3/predictions"


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt":"a fox"}',
        b'{"input":{"prompt":"a fox"},"model":"V3"}',
        b'{"input":"a fox"}',
        b'["input"]',
        b'{"input":',
        b"\xff",
        b"",
    ],
)
def test_the_body_is_an_input_object_alone(sandbox, body):
    """Anything but `{"input": {...}}` is a 400."""
    reply = httpx.post(sandbox.base_url + PATH, content=body, headers=JSON)
    assert reply.status_code == 400
    assert sandbox.stats().paid_calls == 0


def test_the_body_must_be_declared_json(sandbox):
    """Without a JSON content type the call is a 400."""
    headers = {**KEY, "content-type": "text/plain"}
    reply = httpx.post(sandbox.base_url + PATH, content=b'{"input":{"prompt":"a fox"}}', headers=headers)
    assert reply.status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "openai/gpt-image-1",
        "gpt-image-1",
        "opanai/gpt-4o-image",
        "bfl/FLUX.1-Kontext-pro",
        "qianfan/Qwen-Image",
        "imagen-4.0-generate-001",
        "V3",
        "ideogram/V_2",
    ],
)
def test_only_the_documented_paths_are_models(sandbox, path):
    """Another spelling is the 400 that Aihubmix was seen to answer, without `code` and `param`."""
    url = f"{sandbox.base_url}/v1/models/{path}/predictions"
    reply = httpx.post(url, json={"input": {"prompt": "a fox"}}, headers=KEY)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["message"].startswith("Incorrect model ID.")
    assert "code" not in error


def test_the_one_step_route_knows_its_two_models_only(sandbox):
    """Any other model there is unknown."""
    body = {"model": "gpt-image-1", "prompt": "a fox"}
    reply = httpx.post(f"{sandbox.base_url}/v1/images/generations", json=body, headers=KEY)
    assert reply.json()["error"]["message"].startswith("Incorrect model ID.")


def test_images_are_billed_by_model(sandbox):
    """One call with three images is one paid call and three images."""
    buy(sandbox, "irag-1.0", n=3)
    buy(sandbox, "V3")
    stats = sandbox.stats()
    assert (stats.paid_calls, stats.images) == (2, 4)
    assert (stats.models["irag-1.0"].calls, stats.models["irag-1.0"].images) == (1, 3)


def test_inline_images_are_kept_as_their_length(sandbox):
    """The record holds links, and of inline images only how long they were."""
    buy(sandbox, "gpt-image-1", image=[LINK, PNG])
    (call,) = sandbox.calls
    assert call.body["input"]["image"] == [LINK, f"<{len(PNG)} characters>"]
    assert call.body["input"]["prompt"] == "a fox"


def test_pictures_of_one_call_differ(sandbox):
    """Every picture has a serial number of its own."""
    output = buy(sandbox, "imagen-4.0-generate-001", numberOfImages=4).json()["output"]
    assert len({one["bytesBase64"] for one in output}) == 4

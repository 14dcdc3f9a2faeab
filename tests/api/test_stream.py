"""`stream: true`, and requests that do not wait for the end."""

import base64
import io
import socket

import httpx
import openai
import pytest
from PIL import Image

from gateway.catalog import load_catalog
from gateway.settings import shipped
from tests.api.test_images import extra
from tests.support.gateway import RunningGateway, envelope, settings_for

MODELS = load_catalog(shipped("models.toml")).models


@pytest.fixture
def lively(sandbox, valkey_url):
    """Give a gateway whose streams give a sign of life every 20 ms."""
    with RunningGateway(settings_for(sandbox, valkey_url, server__stream_keepalive_s=0.02)) as gateway:
        yield gateway


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_model_streams(gateway, key, model):
    """Each model's picture arrives as one completed event with every required field."""
    with gateway.openai(key) as client:
        stream = client.images.generate(model=model.id, prompt="a fox", stream=True, extra_body=extra(model))
        (event,) = list(stream)

    assert "image_generation.completed" == event.type
    with Image.open(io.BytesIO(base64.b64decode(event.b64_json))) as opened:
        assert event.size == "{}x{}".format(*opened.size)
        assert event.output_format == opened.format.lower()
    assert event.usage.total_tokens >= 0
    assert event.background in {"opaque", "transparent"}
    assert event.quality


def test_signs_of_life_before_a_slow_picture(lively, sandbox):
    """While a picture is being made comments keep the connection awake, and the SDK does not mind them."""
    sandbox.drill("V3", "hold")
    with lively.http(lively.key()) as http:
        body = {"model": "V3", "prompt": "a fox", "stream": True}
        with http.stream("POST", "/v1/images/generations", json=body) as answer:
            lines = answer.iter_lines()
            comments = [next(lines) for _ in range(6)]
            sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls)
            sandbox.release()
            rest = list(lines)

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert {": the picture is being made", ""} == set(comments)
    assert "event: image_generation.completed" in rest


def test_early_failures_are_plain_statuses(gateway, key, sandbox):
    """What fails before the first sign of life keeps its HTTP status."""
    sandbox.drill("gpt-image-1", "moderated")
    with gateway.openai(key) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.generate(model="gpt-image-1", prompt="a fox", stream=True)
        with pytest.raises(openai.BadRequestError) as several:
            client.images.generate(model="V3", prompt="a fox", stream=True, n=2)
        with pytest.raises(openai.BadRequestError) as linked:
            client.images.generate(model="V3", prompt="a fox", stream=True, response_format="url")

    assert "moderation_blocked" == refused.value.code
    assert ("n", "response_format") == (several.value.param, linked.value.param)


def test_late_failures_are_error_events(lively, sandbox):
    """What fails after the first sign of life is an error event, which the SDK raises."""
    sandbox.drill("gpt-image-1", "slow=0.3")
    sandbox.drill("gpt-image-1", "http-500")
    with lively.openai(lively.key()) as client:
        stream = client.images.generate(
            model="gpt-image-1", prompt="[[sandbox:slow=0.3]][[sandbox:http-500]]", stream=True
        )
        with pytest.raises(openai.APIError) as raised:
            list(stream)

    assert ("upstream_error", "server_error") == (raised.value.code, raised.value.type)


def test_deadline_then_collected_by_the_retry(sandbox, valkey_url):
    """A request that has waited as long as it may gets 504; sending it again collects the picture, bought once."""
    with RunningGateway(settings_for(sandbox, valkey_url, server__request_timeout_s=0.05)) as gateway:
        sandbox.drill("V3", "hold")
        with gateway.http(gateway.key()) as http:
            body = {"model": "V3", "prompt": "a fox"}
            late = http.post("/v1/images/generations", json=body)
            assert envelope(late) == (504, "server_error", "timeout", None)
            assert ("true", "1") == (late.headers["x-should-retry"], late.headers["retry-after"])
            sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls)
            sandbox.release()
            retry = {"x-stainless-retry-count": "1"}
            answers = [late]
            while answers[-1].status_code == 504:
                answers.append(http.post("/v1/images/generations", json=body, headers=retry))

    assert 200 == answers[-1].status_code
    assert 1 == sandbox.stats().paid_calls


def test_sdk_timeout_then_collected_by_its_retry(gateway, key, sandbox):
    """An SDK that gives up and tries again gets the picture of the first try."""
    sandbox.drill("V3", "slow=1.5")
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, timeout=0.7, max_retries=5) as client:
        made = client.images.generate(model="V3", prompt="a fox")

    assert made.data[0].b64_json
    assert 1 == sandbox.stats().paid_calls


def test_a_client_that_left_is_not_waited_for(gateway, key, sandbox):
    """A closed connection ends the wait, not the generation: the same request collects it."""
    sandbox.drill("V3", "hold")
    body = b'{"model": "V3", "prompt": "a fox"}'
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as raw:
        raw.sendall(head.encode() + body)
        sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls)
    with gateway.http(key) as http:
        sandbox.wait_for(lambda: 'status="499"' in http.get("/metrics").text)
        sandbox.release()
        answer = http.post("/v1/images/generations", content=body)

    assert 200 == answer.status_code
    assert 1 == sandbox.stats().paid_calls


def test_another_key_cannot_claim(gateway, key, sandbox):
    """What is not to be shared, and one key's client left, is nobody else's."""
    sandbox.drill("V3", "slow=0.5")
    headers = {"cache-control": "no-store"}
    body = {"model": "V3", "prompt": "a fox"}
    with gateway.http(key) as http, pytest.raises(httpx.ReadTimeout):
        http.post("/v1/images/generations", json=body, headers=headers, timeout=0.2)
    with gateway.http(gateway.key()) as http:
        http.post("/v1/images/generations", json=body, headers=headers | {"x-stainless-retry-count": "1"})

    assert 2 == sandbox.stats().paid_calls


@pytest.mark.parametrize(
    ("left", "asked"),
    [({}, {"stream": True}), ({"stream": True}, {}), ({}, {"response_format": "url"}), ({}, {"style": "vivid"})],
)
def test_what_is_collected_is_answered_as_asked_now(gateway, key, sandbox, left, asked):
    """The picture that another request left is delivered in the form, and with the disclosures, of the present one."""
    sandbox.drill("V3", "hold")
    body = {"model": "V3", "prompt": "a fox"}
    with gateway.http(key) as http:
        with pytest.raises(httpx.ReadTimeout):
            http.post("/v1/images/generations", json=body | left, timeout=0.3)
        sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls)
        sandbox.release()
        sandbox.wait_for(lambda: 'status="499"' in http.get("/metrics").text or left)
        answer = http.post("/v1/images/generations", json=body | asked, headers={"x-stainless-retry-count": "1"})

    assert (answer.headers["content-type"] == "text/event-stream; charset=utf-8") == ("stream" in asked)
    assert ("url" in answer.text) == ("response_format" in asked)
    assert ("style" if "style" in asked else None) == answer.headers.get("x-gateway-ignored")
    assert 1 == sandbox.stats().paid_calls
    assert answer.headers["x-gateway-cache"] in {"joined", "hit"}  # as it was, or was not, ready by then


@pytest.mark.parametrize("size", ["2048x2048", "256x256", "1024x1024"])
def test_the_true_size_is_told(gateway, key, size):
    """A model that chooses its own pixels delivers them disclosed, unless they are the ones asked for."""
    with gateway.http(key) as http:
        answer = http.post("/v1/images/generations", json={"model": "V3", "prompt": "a fox", "size": size})

    told = answer.headers.get("x-gateway-adjusted")
    assert told == (None if size == answer.json()["size"] else f"size={answer.json()['size']}")

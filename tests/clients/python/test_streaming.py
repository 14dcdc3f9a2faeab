"""`stream: true` with `openai` for Python: the newest, sync and async, and the last 1.x."""

import asyncio
from pathlib import Path

import openai
import pytest
from openai.types import ImageGenCompletedEvent

from tests.clients import environments
from tests.clients.catalogue import MODELS, extra, picture

PROGRAM = Path(__file__).with_name("openai_program.py")


def completed(events):
    """Check that the stream was one completed event, legal to the letter and true; returns it."""
    (event,) = events
    assert not event.model_extra
    ImageGenCompletedEvent.model_validate(event.to_dict(), strict=True)
    assert (event.output_format, event.size) == picture(event.b64_json)
    assert event.background in {"opaque", "transparent"}
    assert event.usage.total_tokens == event.usage.input_tokens + event.usage.output_tokens
    return event


async def test_every_model_async(lively):
    """Every model streams to the async client, all at the same time."""

    async def draw(client, model):
        stream = await client.images.generate(model=model.id, prompt="a red fox", stream=True, extra_body=extra(model))
        async with stream:
            return [event async for event in stream]

    key = await asyncio.to_thread(lively.key)
    async with openai.AsyncOpenAI(
        base_url=f"{lively.url}/v1", api_key=key, max_retries=0, _strict_response_validation=True
    ) as client:
        for events in await asyncio.gather(*(draw(client, model) for model in MODELS)):
            completed(events)


def test_signs_of_life(lively, sandbox):
    """While the picture is being made the stream is open already, and its comments are no events."""
    with (
        lively.openai(lively.key(), _strict_response_validation=True) as client,
        client.images.generate(model="V3", prompt="[[sandbox:hold]] a fox", stream=True) as stream,
    ):
        assert "text/event-stream" == stream.response.headers["content-type"].partition(";")[0]
        assert stream.response.headers["x-request-id"].startswith("req_")
        sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls)
        sandbox.release()
        completed(stream)


def test_resolved_parameters(lively):
    """The event tells what was delivered; no partial picture comes where a model makes none."""
    with lively.openai(lively.key(), _strict_response_validation=True) as client:
        event = completed(
            client.images.generate(
                model="gpt-image-1",
                prompt="a fox",
                size="1536x1024",
                quality="hd",
                output_format="webp",
                partial_images=2,
                stream=True,
            )
        )

    assert ("1536x1024", "high", "webp") == (event.size, event.quality, event.output_format)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"n": 2}, (400, "invalid_value", "n")),
        ({"size": "banana"}, (400, "invalid_value", "size")),
        ({"model": "gpt-9"}, (404, "model_not_found", "model")),
        ({"prompt": "[[sandbox:moderated]]"}, (400, "moderation_blocked", None)),
    ],
)
def test_early_errors(gateway, key, wish, expected):
    """What fails before the first sign of life is a plain HTTP status, with its own exception."""
    with gateway.openai(key) as client, pytest.raises(openai.APIStatusError) as raised:
        client.images.generate(**{"model": "gpt-image-1", "prompt": "a fox", "stream": True} | wish)

    assert expected == (raised.value.status_code, raised.value.code, raised.value.param)


@pytest.mark.parametrize(
    ("drill", "code"), [("garbage", "upstream_error"), ("processed-then-reset", "outcome_unknown")]
)
def test_late_errors(lively, sandbox, drill, code):
    """What fails after it is an event that the SDK raises, and nothing is asked again."""
    sent = []
    with (
        openai.OpenAI(
            base_url=f"{lively.url}/v1",
            api_key=lively.key(),
            http_client=openai.DefaultHttpxClient(event_hooks={"request": [sent.append]}),
        ) as client,
        client.images.generate(model="V3", prompt=f"[[sandbox:hold]] [[sandbox:{drill}]] a fox", stream=True) as stream,
    ):
        sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls)
        sandbox.release()
        with pytest.raises(openai.APIError) as raised:
            list(stream)

    assert type(raised.value) is openai.APIError
    assert (code, "server_error", None) == (raised.value.code, raised.value.type, raised.value.param)
    assert raised.value.message
    assert 1 == len(sent)


def test_old(openai_1, lively):
    """Every model streams to `openai` 1.x, whose strict model knows three sizes and `auto`; errors are raised."""
    wishes = [{"model": model.id, "extra_body": extra(model)} for model in MODELS]
    wishes += [{"model": "V3", "prompt": "[[sandbox:slow=0.3]] a fox"}]
    wishes += [{"model": "V3", "prompt": "[[sandbox:slow=0.3]] [[sandbox:garbage]] a fox"}]
    job = {
        "base_url": f"{lively.url}/v1",
        "key": lively.key(),
        "calls": [{"verb": "stream", "with": {"prompt": "a fox"} | wish} for wish in wishes],
    }
    *outcomes, late = environments.run_python(openai_1, PROGRAM, job)["outcomes"]

    for wish, outcome in zip(wishes, outcomes, strict=False):
        assert "events" in outcome, (wish, outcome)
        (event,) = outcome["events"]
        assert "image_generation.completed" == event["type"]
        encoding, size = picture(event["b64_json"])
        assert encoding == event["output_format"]
        assert event["size"] in {size, "auto"}
    assert ("APIError", "upstream_error") == (late["error"]["class"], late["error"]["code"])
    assert 1 == late["attempts"]

"""The newest `openai` for Python: each refusal is the right exception, with all that a program reads from it."""

import openai
import pytest

GOOD = {"model": "gpt-image-1", "prompt": "a red fox"}
REQUEST = "invalid_request_error"

REFUSALS = [
    # the request, the exception, (status, code, param, type)
    (GOOD | {"n": 0}, openai.BadRequestError, (400, "integer_below_min_value", "n", REQUEST)),
    (GOOD | {"n": "2"}, openai.BadRequestError, (400, "invalid_type", "n", REQUEST)),
    (GOOD | {"size": "512x512"}, openai.BadRequestError, (400, "invalid_value", "size", REQUEST)),
    (GOOD | {"prompt": ""}, openai.BadRequestError, (400, "empty_string", "prompt", REQUEST)),
    (GOOD | {"prompt": "x" * 32001}, openai.BadRequestError, (400, "string_above_max_length", "prompt", REQUEST)),
    (GOOD | {"quality": "superb"}, openai.BadRequestError, (400, "invalid_value", "quality", REQUEST)),
    (GOOD | {"extra_body": {"image": 3}}, openai.BadRequestError, (400, "invalid_type", "image", REQUEST)),
    (GOOD | {"model": "gpt-9"}, openai.NotFoundError, (404, "model_not_found", "model", REQUEST)),
    (GOOD | {"model": "gemini-2.5-flash-image"}, openai.NotFoundError, (404, "model_not_found", "model", REQUEST)),
    (GOOD | {"prompt": "x" * 2**25}, openai.APIStatusError, (413, "request_too_large", None, REQUEST)),
    (GOOD | {"prompt": "[[sandbox:moderated]]"}, openai.BadRequestError,
     (400, "moderation_blocked", None, "image_generation_user_error")),
    (GOOD | {"model": "dall-e-3", "prompt": "[[sandbox:moderated]]"}, openai.BadRequestError,
     (400, "content_policy_violation", None, "invalid_request_error")),
    (GOOD | {"prompt": "[[sandbox:unknown-model-503]]"}, openai.NotFoundError, (404, "model_not_found", "model", REQUEST)),
    (GOOD | {"prompt": "[[sandbox:http-401]]"}, openai.InternalServerError, (502, "upstream_auth", None, "server_error")),
    (GOOD | {"prompt": "[[sandbox:http-403]]"}, openai.InternalServerError, (502, "upstream_quota", None, "server_error")),
    (GOOD | {"prompt": "[[sandbox:garbage]]"}, openai.InternalServerError, (502, "upstream_error", None, "server_error")),
    (GOOD | {"prompt": "[[sandbox:processed-then-reset]]"}, openai.InternalServerError,
     (502, "outcome_unknown", None, "server_error")),
]  # fmt: skip


def assert_readable(error, kind, expected):
    """Check the class, and every attribute that the SDK reads from body and headers."""
    assert type(error) is kind
    assert expected == (error.status_code, error.code, error.param, error.type)
    assert {"message", "type", "param", "code"} == set(error.body)
    assert error.request_id.startswith("req_")
    assert error.body["message"] in str(error)


@pytest.mark.parametrize(
    ("wish", "kind", "expected"),
    REFUSALS,
    ids=[f"{expected[1]}-{number}" for number, (_, _, expected) in enumerate(REFUSALS)],
)
def test_refusals(gateway, key, wish, kind, expected):
    """Each refusal is raised as the exception of its status, readable in full, and not repeated by the SDK."""
    attempts = []
    with (
        openai.OpenAI(
            base_url=f"{gateway.url}/v1",
            api_key=key,
            http_client=openai.DefaultHttpxClient(event_hooks={"request": [attempts.append]}),
        ) as client,
        pytest.raises(openai.APIStatusError) as raised,
    ):
        client.images.generate(**wish)

    assert_readable(raised.value, kind, expected)
    assert 1 == len(attempts)


async def test_refusal_async(gateway, key):
    """The async client raises the same."""
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key) as client:
        with pytest.raises(openai.BadRequestError) as raised:
            await client.images.generate(model="V3", prompt="a fox", extra_body={"rendering_speed": "WARP"})

    expected = (400, "invalid_value", "rendering_speed", "invalid_request_error")
    assert_readable(raised.value, openai.BadRequestError, expected)


def test_keys(gateway):
    """A wrong key is an AuthenticationError, a key that may not use the model a PermissionDeniedError."""
    restricted = gateway.key(models=["V3"])
    for presented, kind, expected in (
        ("sk-wrong", openai.AuthenticationError, (401, "invalid_api_key", None, "invalid_request_error")),
        (restricted, openai.PermissionDeniedError, (403, "model_not_allowed", "model", "invalid_request_error")),
    ):
        with gateway.openai(presented) as client, pytest.raises(openai.APIStatusError) as raised:
            client.images.generate(**GOOD)
        assert_readable(raised.value, kind, expected)


def test_route_that_does_not_exist(gateway, key):
    """What this gateway does not serve is a NotFoundError, not a parser's failure."""
    with gateway.openai(key) as client, pytest.raises(openai.NotFoundError) as raised:
        client.images.edit(image=b"\x89PNG", prompt="a fox")

    assert_readable(raised.value, openai.NotFoundError, (404, "not_found", None, "invalid_request_error"))

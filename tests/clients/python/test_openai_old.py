"""Older `openai` for Python, each in an environment of its own: the last 1.x, and the 2.x that LiteLLM brings."""

from pathlib import Path

import pytest

from tests.clients import environments
from tests.clients.catalogue import MODELS, extra, fetched, picture

PROGRAM = Path(__file__).with_name("openai_program.py")


@pytest.fixture(params=[("openai_1", "1."), ("litellm", "2.")], ids=["1.x", "2.x"])
def old(request, gateway, key):
    """Give a function that makes calls with an old SDK, strictly validated, and returns what came of each."""
    environment, version = request.param
    interpreter = request.getfixturevalue(environment)

    def run(*calls):
        job = {"base_url": f"{gateway.url}/v1", "key": key, "calls": calls}
        answer = environments.run_python(interpreter, PROGRAM, job)
        assert answer["version"].startswith(version)
        return answer["outcomes"]

    return run


def generate(**parameters):
    """Write down a call, with a prompt if it has none."""
    return {"verb": "generate", "with": {"prompt": "a red fox"} | parameters}


WISHES = [
    *[
        {"model": model.id, "extra_body": extra(model)} | form
        for model in MODELS
        for form in ({}, {"response_format": "url"}, {"response_format": "b64_json"})
    ],
    # Sizes that the old strict models have no value for.
    {"model": "dall-e-3", "size": "1792x1024", "response_format": "b64_json"},
    {"model": "dall-e-3", "size": "1024x1792", "response_format": "b64_json"},
    {"model": "doubao-seedream-4-0-250828", "size": "2048x2048"},
    {"model": "V3", "n": 3},
    {"model": "gpt-image-1", "size": "1536x1024", "quality": "hd", "n": 2},
]


def test_every_model_strictly(gateway, old):
    """Whatever the model, format, size and count, the reply is legal in the old strict model, and tells the truth."""
    for wish, outcome in zip(WISHES, old(*(generate(**wish) for wish in WISHES)), strict=True):
        assert "reply" in outcome, (wish, outcome)
        reply = outcome["reply"]
        default = "url" if wish["model"].startswith("dall-e") else "b64_json"
        form = wish.get("response_format", default)
        assert [{form}] * wish.get("n", 1) == [{"url", "b64_json"} & set(item) for item in reply["data"]]
        pictures = [item[form] if form == "b64_json" else fetched(gateway, item[form]) for item in reply["data"]]
        assert len(pictures) == len(set(pictures))
        for encoding, size in map(picture, pictures):
            assert encoding == reply["output_format"]
            assert size == reply.get("size", size)
            assert wish.get("size", size) == size
        assert ("size" in reply) is (size in {"1024x1024", "1024x1536", "1536x1024"})
        assert outcome["request_id"].startswith("req_")
        assert 1 == outcome["attempts"]


ERRORS = [
    # the call, what the exception tells, how often the SDK asks
    (generate(n=0), ("BadRequestError", 400, "integer_below_min_value", "n"), 1),
    (generate(size="banana"), ("BadRequestError", 400, "invalid_value", "size"), 1),
    (generate(model="gpt-9"), ("NotFoundError", 404, "model_not_found", "model"), 1),
    (generate() | {"key": "sk-wrong"}, ("AuthenticationError", 401, "invalid_api_key", None), 1),
    (generate(prompt="[[sandbox:moderated]]"), ("BadRequestError", 400, "moderation_blocked", None), 1),
    (generate(prompt="[[sandbox:garbage]]"), ("InternalServerError", 502, "upstream_error", None), 1),
    (generate(prompt="[[sandbox:processed-then-reset]]"), ("InternalServerError", 502, "outcome_unknown", None), 1),
    (generate(prompt="[[sandbox:http-503]]"), ("InternalServerError", 503, "upstream_unavailable", None), 3),
]


def test_errors_and_listing(old):
    """Errors tell class, code, param and request id, and are repeated only where invited; the list is the catalogue."""
    *outcomes, listed = old(*(call for call, *_ in ERRORS), {"verb": "models"})

    for (_, told, attempts), outcome in zip(ERRORS, outcomes, strict=True):
        error = outcome["error"]
        assert told == (error["class"], error["status_code"], error["code"], error["param"])
        assert error["request_id"].startswith("req_")
        assert told[2] in error["text"]  # programs search the text for code names
        assert attempts == outcome["attempts"]
    assert [model.id for model in MODELS] == listed["ids"]

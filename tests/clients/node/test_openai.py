"""`openai` for node: every model's reply, errors, retries, listing."""

from pathlib import Path

from openai.types import ImagesResponse

from tests.clients import environments
from tests.clients.catalogue import MODELS, extra, fetched, picture

MODULE = Path(__file__).with_name("openai.mjs")


def run(node, gateway, *calls):
    """Make calls, all at once; returns what came of each."""
    job = {"base_url": f"{gateway.url}/v1", "key": gateway.key(), "calls": calls}
    return environments.run_node(node, MODULE, job)


def generate(**parameters):
    """Write down a call, with a prompt if it has none."""
    return {"verb": "generate", "with": {"prompt": "a red fox"} | parameters}


WISHES = [
    *[
        {"model": model.id} | extra(model) | form
        for model in MODELS
        for form in ({}, {"response_format": "url"}, {"response_format": "b64_json"})
    ],
    {"model": "V3", "n": 3},
    {"model": "gpt-image-1", "size": "1536x1024", "quality": "hd", "n": 2},
]


def test_every_model(node, gateway):
    """Whatever the model, format and count, the reply parses, is legal to the letter, and tells the truth."""
    for wish, outcome in zip(WISHES, run(node, gateway, *(generate(**wish) for wish in WISHES)), strict=True):
        assert "reply" in outcome, (wish, outcome)
        reply = outcome["reply"]
        ImagesResponse.model_validate(reply, strict=True)
        default = "url" if wish["model"].startswith("dall-e") else "b64_json"
        form = wish.get("response_format", default)
        assert [{form}] * wish.get("n", 1) == [{"url", "b64_json"} & set(item) for item in reply["data"]]
        pictures = [item[form] if form == "b64_json" else fetched(gateway, item[form]) for item in reply["data"]]
        assert len(pictures) == len(set(pictures))
        assert {(reply["output_format"], reply["size"])} == set(map(picture, pictures))
        assert outcome["request_id"].startswith("req_")
        assert 1 == outcome["attempts"]


ERRORS = [
    # the call, what the exception tells, how often the SDK asks
    (generate(n=0), ("BadRequestError", 400, "integer_below_min_value", "n"), 1),
    (generate(size="banana"), ("BadRequestError", 400, "invalid_value", "size"), 1),
    (generate(model="V3", rendering_speed="WARP"), ("BadRequestError", 400, "invalid_value", "rendering_speed"), 1),
    (generate(model="gpt-9"), ("NotFoundError", 404, "model_not_found", "model"), 1),
    (generate() | {"key": "sk-wrong"}, ("AuthenticationError", 401, "invalid_api_key", None), 1),
    (generate(prompt="[[sandbox:moderated]]"), ("BadRequestError", 400, "moderation_blocked", None), 1),
    (generate(prompt="[[sandbox:garbage]]"), ("InternalServerError", 502, "upstream_error", None), 1),
    (generate(prompt="[[sandbox:processed-then-reset]]"), ("InternalServerError", 502, "outcome_unknown", None), 1),
    (generate(prompt="[[sandbox:http-503]]"), ("InternalServerError", 503, "upstream_unavailable", None), 3),
]


def test_errors_and_listing(node, gateway):
    """Errors tell class, code, param and request id, and are repeated only where invited; the list is the catalogue."""
    *outcomes, listed = run(node, gateway, *(call for call, *_ in ERRORS), {"verb": "models"})

    for (_, told, attempts), outcome in zip(ERRORS, outcomes, strict=True):
        error = outcome["error"]
        assert told == (error["class"], error["status"], error["code"], error["param"])
        assert error["request_id"].startswith("req_")
        assert error["text"].startswith(f"{told[1]} ")
        assert attempts == outcome["attempts"]
    assert [model.id for model in MODELS] == listed["ids"]

"""The contract that programs written for OpenAI rely on: exact refusals, resolved values, usage, headers."""

import re

import openai
import pytest

from tests.clients.catalogue import MODELS, extra, picture
from tests.support.gateway import RunningGateway, envelope, message, settings_for
from tests.support.haste import all_at_once, hasty_gateway

GPT = {"model": "gpt-image-1", "prompt": "a fox"}
REQUEST = "invalid_request_error"
PATH = "/v1/images/generations"

REFUSALS = [
    # the fields, (code, param), the sentence as OpenAI's clients know it
    ({"model": "V3"}, ("missing_required_parameter", "prompt"), "Missing required parameter: 'prompt'."),
    (GPT | {"prompt": ""}, ("empty_string", "prompt"), "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead."),
    (GPT | {"prompt": "x" * 32001}, ("string_above_max_length", "prompt"), "Invalid 'prompt': string too long. Expected a string with maximum length 32000, but got a string with length 32001 instead."),
    (GPT | {"prompt": 7}, ("invalid_type", "prompt"), "Invalid type for 'prompt': expected a string, but got an integer instead."),
    (GPT | {"n": 0}, ("integer_below_min_value", "n"), "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead."),
    (GPT | {"n": 11}, ("integer_above_max_value", "n"), "Invalid 'n': integer above maximum value. Expected a value <= 10, but got 11 instead."),
    (GPT | {"n": "2"}, ("invalid_type", "n"), "Invalid type for 'n': expected an integer, but got a string instead."),
    (GPT | {"n": 1.5}, ("invalid_type", "n"), "Invalid type for 'n': expected an integer, but got a decimal number instead."),
    (GPT | {"n": True}, ("invalid_type", "n"), "Invalid type for 'n': expected an integer, but got a boolean instead."),
    (GPT | {"model": 3}, ("invalid_type", "model"), "Invalid type for 'model': expected a string, but got an integer instead."),
    (GPT | {"size": "512x512"}, ("invalid_value", "size"), "Invalid value: '512x512'. Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'."),
    (GPT | {"size": "bogus"}, ("invalid_value", "size"), "Invalid size 'bogus'. Expected WIDTHxHEIGHT, for example '1024x1024', or 'auto'."),
    (GPT | {"quality": "ultra"}, ("invalid_value", "quality"), "Invalid value: 'ultra'. Supported values are: 'low', 'medium', 'high', 'xhigh', 'max', 'auto', 'standard', and 'hd'."),
    (GPT | {"background": "red"}, ("invalid_value", "background"), "Invalid value: 'red'. Supported values are: 'transparent', 'opaque', and 'auto'."),
    (GPT | {"output_format": "bmp"}, ("invalid_value", "output_format"), "Invalid value: 'bmp'. Supported values are: 'png', 'jpeg', and 'webp'."),
    (GPT | {"moderation": "none"}, ("invalid_value", "moderation"), "Invalid value: 'none'. Supported values are: 'low' and 'auto'."),
    (GPT | {"style": "cubist"}, ("invalid_value", "style"), "Invalid value: 'cubist'. Supported values are: 'vivid' and 'natural'."),
    (GPT | {"response_format": "pdf"}, ("invalid_value", "response_format"), "Invalid value: 'pdf'. Supported values are: 'url' and 'b64_json'."),
    (GPT | {"output_compression": 101}, ("integer_above_max_value", "output_compression"), "Invalid 'output_compression': integer above maximum value. Expected a value <= 100, but got 101 instead."),
    (GPT | {"partial_images": 4}, ("integer_above_max_value", "partial_images"), "Invalid 'partial_images': integer above maximum value. Expected a value <= 3, but got 4 instead."),
    (GPT | {"stream": True, "n": 2}, ("invalid_value", "n"), "Streaming is only supported with n=1."),
    (GPT | {"output_compression": 50}, ("invalid_png_output_compression", "output_compression"), None),
    (GPT | {"background": "transparent", "output_format": "jpeg"}, ("invalid_value", "background"), None),
]  # fmt: skip

IN_ORDER = [
    # several faults at once, and the one that is told
    (GPT | {"prompt": "", "n": 0, "size": "bogus", "quality": "ultra"}, "prompt"),
    (GPT | {"n": 0, "size": "bogus", "quality": "ultra"}, "n"),
]


@pytest.fixture(scope="module")
def gateway(sandbox_server, tmp_path_factory):
    """Give a gateway that polls quickly."""
    with hasty_gateway(sandbox_server, tmp_path_factory.mktemp("contract")) as running:
        yield running


@pytest.fixture(scope="module")
def http(gateway):
    """Give a client with a key, in a browser."""
    with gateway.http(gateway.key()) as client:
        client.headers["origin"] = "https://studio.example"
        yield client


@pytest.mark.parametrize(
    ("fields", "fault", "sentence"), REFUSALS, ids=["-".join(reversed(fault)) for _, fault, _ in REFUSALS]
)
def test_refusals(http, sandbox, fields, fault, sentence):
    """Each fault has OpenAI's status, type, code and param, and where programs look for it, OpenAI's own sentence."""
    answer = http.post(PATH, json=fields)

    assert envelope(answer) == (400, REQUEST, *fault)
    assert sentence in {None, message(answer)}
    assert "x-should-retry" not in answer.headers
    assert [] == sandbox.calls


@pytest.mark.parametrize(("fields", "param"), IN_ORDER, ids=[param for _, param in IN_ORDER])
def test_order_of_faults(http, fields, param):
    """Of several faults the first in OpenAI's order is told."""
    assert param == envelope(http.post(PATH, json=fields))[3]


def test_unknown_parameter(sandbox, valkey_url):
    """In strict mode the sentence is the one on which several programs leave the parameter out and try again."""
    with (
        RunningGateway(settings_for(sandbox, valkey_url, images__strict_params=True)) as gateway,
        gateway.http(gateway.key()) as http,
    ):
        answer = http.post(PATH, json=GPT | {"style": "vivid"})

    assert envelope(answer) == (400, REQUEST, "unknown_parameter", "style")
    assert "Unknown parameter: 'style'." == message(answer)


def test_unknown_model(http):
    """An unknown model is told in the words that programs look for."""
    answer = http.post(PATH, json=GPT | {"model": "gpt-9"})

    assert envelope(answer) == (404, REQUEST, "model_not_found", "model")
    assert message(answer).startswith("The model 'gpt-9' does not exist or you do not have access to it.")


@pytest.mark.parametrize(
    ("model", "kind", "code"),
    [
        ("gpt-image-1", "image_generation_user_error", "moderation_blocked"),
        ("V3", "image_generation_user_error", "moderation_blocked"),
        ("dall-e-3", REQUEST, "content_policy_violation"),
    ],
)
def test_moderation(http, model, kind, code):
    """Refused content is told by the pair that the name's programs know, in words that classifiers look for."""
    answer = http.post(PATH, json={"model": model, "prompt": "[[sandbox:moderated]] a fox"})

    assert envelope(answer) == (400, kind, code, None)
    assert "safety system" in message(answer)


def test_keys(gateway):
    """No key, a wrong one, and one that may not use the model are told apart, with OpenAI's words for the first two."""
    told = []
    for key in (None, "sk-wrong-wrong-wrong", gateway.key(models=["V3"])):
        with gateway.http(key) as http:
            answer = http.post(PATH, json=GPT)
        told.append((*envelope(answer), message(answer)))

    none, wrong, restricted = told
    assert (401, REQUEST, None, None) == none[:4]
    assert none[4].startswith(
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY)"
    )
    assert (401, REQUEST, "invalid_api_key", None) == wrong[:4]
    assert wrong[4].startswith("Incorrect API key provided: ")
    assert "sk-wrong-wrong-wrong" not in wrong[4]
    assert (403, REQUEST, "model_not_allowed", "model") == restricted[:4]


@pytest.mark.parametrize(
    ("method", "path", "content", "expected"),
    [
        ("POST", PATH, b"{", (400, REQUEST, "invalid_json", None)),
        ("POST", "/v1/images/edits", b"{}", (404, REQUEST, "not_found", None)),
        ("GET", "/v1/models/nope", None, (404, REQUEST, "model_not_found", "model")),
        ("GET", PATH, None, (405, REQUEST, "method_not_allowed", None)),
        ("POST", PATH, b" " * (2**25 + 1), (413, REQUEST, "request_too_large", None)),
    ],
    ids=["no JSON", "no route", "no model", "no method", "too large"],
)
def test_the_framework_too(http, method, path, content, expected):
    """What the framework refuses comes in the same envelope, with the same headers."""
    answer = http.request(method, path, content=content, headers={"content-type": "application/json"})

    assert expected == envelope(answer)
    assert_headers(answer)


def assert_headers(answer):
    """Check the headers that every answer bears."""
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
    assert int(answer.headers["openai-processing-ms"]) >= 0
    assert "2020-10-01" == answer.headers["openai-version"]
    assert "*" == answer.headers["access-control-allow-origin"]
    assert "application/json" == answer.headers["content-type"]


LAZY = [{}, {"quality": "auto"}, {"quality": "standard"}, {"quality": "hd"}]


@pytest.mark.parametrize("fields", LAZY, ids=lambda fields: fields.get("quality", "unsaid"))
def test_resolved_values(http, fields):
    """On every model the reply tells what was made, never `auto`, `standard` or `hd`, and all five fields of usage."""

    def make(model):
        body = {
            "model": model.id,
            "prompt": "a fox",
            "size": "auto",
            "background": "auto",
            "response_format": "b64_json",
        }
        return http.post(PATH, json=body | fields | extra(model))

    for model, answer in all_at_once(make, MODELS).items():
        assert 200 == answer.status_code, (model.id, answer.text)
        assert_headers(answer)
        body = answer.json()
        (item,) = body["data"]
        assert {"created", "data", "usage", "background", "output_format", "size"} == body.keys() - {"quality"}
        assert {"b64_json"} == item.keys() - {"revised_prompt"}
        assert (body["output_format"], body["size"]) == picture(item["b64_json"])
        assert "opaque" == body["background"]
        assert body.get("quality") in {None, "low", "medium", "high"}
        assert_usage(body["usage"], counted=model.id == "gpt-image-1")


def assert_usage(usage, *, counted):
    """Check that all five fields of usage are there and agree; zero only where nobody counts."""
    assert {
        "total_tokens", "input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details",
    } == usage.keys()  # fmt: skip
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    for side in ("input", "output"):
        details = usage[f"{side}_tokens_details"]
        assert {"text_tokens", "image_tokens"} == details.keys()
        assert usage[f"{side}_tokens"] == sum(details.values())
    assert counted == (usage["input_tokens"] > 0)
    assert counted == (usage["output_tokens"] > 0)


def test_asked_quality_is_told(http):
    """A quality that the model has is told as it was asked for; one of the other names as the model's own."""
    for asked, told in (("low", "low"), ("medium", "medium"), ("high", "high"), ("standard", "medium"), ("hd", "high")):
        assert told == http.post(PATH, json=GPT | {"quality": asked}).json()["quality"]


def test_transparency_is_told(http):
    """A transparent background is told where the picture has one."""
    answers = [
        http.post(
            PATH, json={"model": model, "prompt": "a fox", "background": "transparent", "response_format": "b64_json"}
        )
        for model in ("gpt-image-1", "dall-e-3")
    ]

    assert ["transparent", "opaque"] == [answer.json()["background"] for answer in answers]
    assert "background" == answers[1].headers["x-gateway-ignored"]


def test_tokens_as_upstream_counts_them(http):
    """Usage is the upstream's own count: of words, of references, and of every picture."""
    reference = extra(next(model for model in MODELS if model.reference.use == "needs"))
    one, two = (
        http.post(PATH, json=GPT | {"quality": "low", "size": "1024x1024"} | fields).json()["usage"]
        for fields in ({}, {"n": 2} | reference)
    )

    assert (272, 2 * 272) == (one["output_tokens"], two["output_tokens"])
    assert (0, 323) == tuple(usage["input_tokens_details"]["image_tokens"] for usage in (one, two))


DEFAULTS = {model.id: "url" if model.id.startswith("dall-e") else "b64_json" for model in MODELS} | {
    "opanai/dall-e-3": "url",
    "DALL-E-3": "url",
    "openai/gpt-image-1": "b64_json",
}


@pytest.mark.parametrize("wanted", [None, "url", "b64_json"])
def test_response_format(http, wanted):
    """An explicit format wins on every model; else the name decides, as at OpenAI."""

    def delivered(name):
        model = next((model for model in MODELS if model.id == name), MODELS[0])
        body = {"model": name, "prompt": "a fox", "size": "1024x1024", "response_format": wanted}
        (item,) = http.post(PATH, json=body | extra(model)).json()["data"]
        (form,) = item.keys() - {"revised_prompt"}
        return form

    assert {name: wanted or default for name, default in DEFAULTS.items()} == all_at_once(delivered, DEFAULTS)


def test_strict_client(gateway):
    """The official client's strict validation passes on every model, also with several pictures."""

    def make(model):
        return client.images.generate(model=model.id, prompt="a fox", n=2, extra_body=extra(model))

    with gateway.openai(gateway.key(), _strict_response_validation=True) as client:
        replies = all_at_once(make, MODELS)

    assert all(isinstance(reply, openai.types.ImagesResponse) and len(reply.data) == 2 for reply in replies.values())

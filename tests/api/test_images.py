"""The image endpoint, end to end: the official client, a real gateway, the strict sandbox."""

import base64
import io

import pytest
from PIL import Image

from gateway.catalog import load_catalog
from gateway.settings import shipped
from tests.support.gateway import RunningGateway, envelope, message, settings_for

MODELS = load_catalog(shipped("models.toml")).models


def pixel():
    out = io.BytesIO()
    Image.new("RGB", (256, 256), "navy").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def extra(model):
    return {"image": pixel()} if model.reference.use == "needs" else {}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
@pytest.mark.parametrize("n", [1, 3])
def test_every_model_draws(gateway, key, sandbox, model, n):
    """Each model gives the official client n different pictures, in either format, for as few paid calls as needed."""
    with gateway.openai(key) as client, gateway.http() as http:
        for form in ("b64_json", "url"):
            sandbox.reset()
            made = client.images.generate(
                model=model.id, prompt=f"a red fox, as {form}", n=n, response_format=form, extra_body=extra(model)
            )
            images = [
                base64.b64decode(item.b64_json) if form == "b64_json" else http.get(item.url).content
                for item in made.data
            ]
            assert n == len(set(images))
            for data in images:
                with Image.open(io.BytesIO(data)) as opened:
                    opened.load()
                    assert made.size == "{}x{}".format(*opened.size)
            assert sandbox.stats().images == n
            assert sandbox.stats().paid_calls == -(-n // model.native_n)


GOOD = {"model": "gpt-image-1", "prompt": "a red fox"}
REFERENCE = pixel()

BAD_INPUT = [
    # what is wrong, the fields, (status, code, param)
    ("no prompt", {"model": "V3"}, (400, "missing_required_parameter", "prompt")),
    ("null prompt", {"prompt": None}, (400, "missing_required_parameter", "prompt")),
    ("empty prompt", {"prompt": ""}, (400, "empty_string", "prompt")),
    ("prompt a number", {"prompt": 7}, (400, "invalid_type", "prompt")),
    ("prompt a list", {"prompt": ["a fox"]}, (400, "invalid_type", "prompt")),
    ("n 0", GOOD | {"n": 0}, (400, "integer_below_min_value", "n")),
    ("n 11", GOOD | {"n": 11}, (400, "integer_above_max_value", "n")),
    ("n huge", GOOD | {"n": 10**40}, (400, "integer_above_max_value", "n")),
    ("n a string", GOOD | {"n": "2"}, (400, "invalid_type", "n")),
    ("n true", GOOD | {"n": True}, (400, "invalid_type", "n")),
    ("n 1.5", GOOD | {"n": 1.5}, (400, "invalid_type", "n")),
    ("unknown model", GOOD | {"model": "gpt-9"}, (404, "model_not_found", "model")),
    ("model a number", GOOD | {"model": 3}, (400, "invalid_type", "model")),
    ("model empty", GOOD | {"model": ""}, (400, "empty_string", "model")),
    *[
        (f"unsupported {name}", GOOD | {"model": name}, (404, "model_not_found", "model"))
        for name in ("gpt-4o-image", "gpt-4o-image-vip", "gemini-2.5-flash-image", "V_1", "V_2", "V_2_TURBO", "ideogram/V_2")
    ],
    ("size no size", GOOD | {"size": "banana"}, (400, "invalid_value", "size")),
    ("size a number", GOOD | {"size": 1024}, (400, "invalid_type", "size")),
    ("size not made", GOOD | {"size": "512x512"}, (400, "invalid_value", "size")),
    ("size not a ratio made", GOOD | {"model": "imagen-3.0-generate-002", "size": "3000x300"}, (400, "invalid_value", "size")),
    ("size beyond 21:9", GOOD | {"model": "flux-kontext-pro", "size": "3000x100"}, (400, "invalid_value", "size")),
    ("size too long for qianfan", GOOD | {"model": "irag-1.0", "size": "8000x100"}, (400, "invalid_value", "size")),
    *[
        (f"tolerance 7 on {name}", GOOD | {"model": name, "safety_tolerance": 7}, (400, "integer_above_max_value", "safety_tolerance"))
        for name in ("flux-kontext-max", "flux-kontext-pro", "FLUX.1-Kontext-pro", "FLUX-1.1-pro")
    ],
    ("tolerance -1", GOOD | {"model": "FLUX-1.1-pro", "safety_tolerance": -1}, (400, "integer_below_min_value", "safety_tolerance")),
    ("tolerance 3 with a reference", GOOD | {"model": "flux-kontext-max", "safety_tolerance": 3, "image": REFERENCE}, (400, "invalid_value", "safety_tolerance")),
    *[
        (f"reference on {model.id}", GOOD | {"model": model.id, "image": REFERENCE}, (400, "invalid_value", "image"))
        for model in MODELS
        if model.reference.use == "refuses"
    ],
    *[
        (f"no reference on {model.id}", GOOD | {"model": model.id}, (400, "missing_required_parameter", "image"))
        for model in MODELS
        if model.reference.use == "needs"
    ],
    ("reference no image", GOOD | {"image": base64.b64encode(b"just some text, no image").decode()}, (400, "invalid_value", "image")),
    ("reference no base64", GOOD | {"image": "file:///etc/passwd"}, (400, "invalid_value", "image")),
    ("reference a number", GOOD | {"image": 3}, (400, "invalid_type", "image")),
    ("too many references", GOOD | {"model": "Qwen-Image-Edit", "image": [REFERENCE] * 4}, (400, "array_above_max_length", "image")),
    ("ratio 30:1", GOOD | {"model": "flux-kontext-max", "aspect_ratio": "30:1"}, (400, "invalid_value", "aspect_ratio")),
    ("ratio nonsense", GOOD | {"model": "V3", "aspect_ratio": "wide"}, (400, "invalid_value", "aspect_ratio")),
    ("seed a word", GOOD | {"model": "V3", "seed": "lucky"}, (400, "invalid_type", "seed")),
    ("guidance 99", GOOD | {"model": "irag-1.0", "guidance": 99}, (400, "decimal_above_max_value", "guidance")),
    ("watermark a word", GOOD | {"model": "irag-1.0", "watermark": "no"}, (400, "invalid_type", "watermark")),
    ("speed unknown", GOOD | {"model": "V3", "rendering_speed": "WARP"}, (400, "invalid_value", "rendering_speed")),
    ("transparent jpeg", GOOD | {"background": "transparent", "output_format": "jpeg"}, (400, "invalid_value", "background")),
    ("compressed png", GOOD | {"output_compression": 50}, (400, "invalid_png_output_compression", "output_compression")),
    ("a nested mess", GOOD | {"n": [[[[[[1]]]]]]}, (400, "invalid_type", "n")),
]  # fmt: skip

IMPOSSIBLE = {
    "response_format": "pdf",
    "quality": "superb",
    "output_format": "bmp",
    "output_compression": 101,
    "background": "striped",
    "moderation": "none",
    "style": "cubist",
    "stream": "yes",
    "partial_images": 4,
    "size": "10x",
    "user": 5,
}


def refused(gateway, key, sandbox, body):
    """POST, check that nothing went upstream, and take the error apart."""
    with gateway.http(key) as http:
        if isinstance(body, bytes):
            answer = http.post("/v1/images/generations", content=body, headers={"content-type": "application/json"})
        else:
            answer = http.post("/v1/images/generations", json=body)
    assert [] == sandbox.calls
    return envelope(answer)


@pytest.mark.parametrize(("body", "expected"), [case[1:] for case in BAD_INPUT], ids=[case[0] for case in BAD_INPUT])
def test_bad_input(gateway, key, sandbox, body, expected):
    """Wrong input is told by status, code and param, and nothing is sent upstream."""
    status, kind, code, param = refused(gateway, key, sandbox, body)

    assert expected == (status, code, param)
    assert kind == "invalid_request_error"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_over_long_prompt(gateway, key, sandbox, model):
    """A prompt is measured in characters against the model's own limit; at the limit it passes that check."""
    longest = "画" * model.prompt_max_chars

    assert refused(gateway, key, sandbox, {"model": model.id, "prompt": longest + "画"} | extra(model)) == (
        400, "invalid_request_error", "string_above_max_length", "prompt",
    )  # fmt: skip
    with gateway.http(key) as http:
        answer = http.post("/v1/images/generations", json={"model": model.id, "prompt": longest} | extra(model))
    assert 200 == answer.status_code, answer.text


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_impossible_values_of_known_fields(gateway, key, sandbox, model):
    """A known field with an impossible value is wrong on every model, whether the model knows the field or not."""
    for field, value in IMPOSSIBLE.items():
        body = {"model": model.id, "prompt": "a fox", field: value} | extra(model)
        status, _, _, param = refused(gateway, key, sandbox, body)
        assert (400, field) == (status, param)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_nulls_are_absent_and_unknown_keys_disclosed(gateway, key, model):
    """Null means absent for every field; unknown keys are not forwarded, and named."""
    nulls = dict.fromkeys([*IMPOSSIBLE, "n", "seed", "aspect_ratio", "guidance", "watermark", "mask"])
    body = {"model": model.id, "prompt": "a fox", "cfg_scale": 7, "x y\r\n": 1} | nulls | extra(model)
    with gateway.http(key) as http:
        answer = http.post("/v1/images/generations", json=body)

    assert 200 == answer.status_code, answer.text
    assert "cfg_scale,x%20y%0D%0A" == answer.headers["x-gateway-ignored"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"prompt=a+fox",
        b'{"prompt": "a \xff fox"}',
        b'{"prompt": "\\ud800"}',
        b"[" * 1_000_000,
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        b"[1, 2]",
        b'"a fox"',
        b"null",
        b'{"n": NaN}',
        b'{"n": -}',
    ],
    ids=["empty", "blank", "cut", "a form", "no UTF-8", "half a surrogate", "nested arrays", "nested objects",
         "an array", "a string", "null", "NaN", "no number"],
)  # fmt: skip
def test_no_json(gateway, key, sandbox, body):
    """A body that is no JSON object is a 400 that says so."""
    assert refused(gateway, key, sandbox, body) == (400, "invalid_request_error", "invalid_json", None)


@pytest.mark.parametrize(
    "body", [b'{"prompt":"a","n":1,"prompt":"b"}', b'{"a":[{"prompt":1,"prompt":2}],"prompt":"b"}']
)
def test_a_field_given_twice(gateway, key, sandbox, body):
    """Which of the two is meant nobody knows: it is named, and nothing is bought."""
    assert refused(gateway, key, sandbox, body) == (400, "invalid_request_error", "invalid_json", "prompt")


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00", "\\ud800x", "\\ud800\\u0041"])
def test_half_a_surrogate_pair_is_told(gateway, key, text):
    """It is not called a body cut short."""
    with gateway.http(key) as http:
        answer = http.post("/v1/images/generations", content=b'{"prompt":"%s"}' % text.encode())
    assert envelope(answer) == (400, "invalid_request_error", "invalid_json", None)
    assert "half of a surrogate pair" in message(answer)


def test_too_large(gateway, key, sandbox):
    """A body over 32 MiB is a 413 that the client can read."""
    body = b'{"prompt": "' + b"a" * (32 * 2**20) + b'"}'
    assert refused(gateway, key, sandbox, body) == (413, "invalid_request_error", "request_too_large", None)


def test_wrong_content_type(gateway, key):
    """Another content type is a 415; none at all is taken for JSON."""
    with gateway.http(key) as http:
        wrong = http.post("/v1/images/generations", content=b'{"prompt":"a"}', headers={"content-type": "text/plain"})
        none = http.post("/v1/images/generations", content=b'{"prompt":"a fox"}')

    assert envelope(wrong) == (415, "invalid_request_error", "unsupported_media_type", None)
    assert 200 == none.status_code


def test_keys_that_do_not_open(gateway, key, sandbox):
    """No key, a wrong one and a revoked one are 401 with OpenAI's words and codes."""
    other = gateway.key()
    gateway.revoke(other)
    incorrect = (401, "invalid_request_error", "invalid_api_key", None)

    assert refused(gateway, None, sandbox, GOOD) == (401, "invalid_request_error", None, None)
    for wrong in ("sk-wrong", key[:-1] + ("a" if key[-1] != "a" else "b"), other, b"\xe9\xe8"):
        assert refused(gateway, wrong, sandbox, GOOD) == incorrect


def test_restricted_key(gateway, sandbox):
    """A key that is restricted to models may use those and no others."""
    key = gateway.key(models=["V3"])

    assert refused(gateway, key, sandbox, GOOD)[:1] == (403,)
    with gateway.http(key) as http:
        assert 200 == http.post("/v1/images/generations", json=GOOD | {"model": "ideogram/v3"}).status_code
        assert ["V3"] == [model["id"] for model in http.get("/v1/models").json()["data"]]


def test_adjustments_are_disclosed(gateway, key):
    """What was honoured nearly, and what was not honoured at all, is told in headers, with the cost and the id."""
    body = {"model": "imagen-3.0-generate-002", "prompt": "a fox", "size": "1536x1024", "style": "vivid", "n": 2}
    with gateway.http(key) as http:
        answer = http.post("/v1/images/generations", json=body)

    assert "size=4:3" == answer.headers["x-gateway-adjusted"]
    assert "style" == answer.headers["x-gateway-ignored"]
    assert "0.06" == answer.headers["x-gateway-cost-usd"]
    assert answer.headers["x-gateway-generation-id"].startswith("gen_")


def test_strict_params(sandbox, valkey_url):
    """In strict mode what cannot be honoured is a 400, as it is at OpenAI."""
    with RunningGateway(settings_for(sandbox, valkey_url, images__strict_params=True)) as gateway:
        key = gateway.key()
        for field in ("style", "cfg_scale"):
            answer = refused(gateway, key, sandbox, {"model": "V3", "prompt": "a fox", field: "vivid"})
            assert answer == (400, "invalid_request_error", "unknown_parameter", field)


def test_default_model(gateway, key, sandbox):
    """A request without a model gets the default one."""
    with gateway.openai(key) as client:
        client.images.generate(prompt="a fox")

    assert ["gpt-image-1"] == [call.model for call in sandbox.calls]


@pytest.mark.parametrize("model", [m for m in MODELS if m.reference.use != "refuses"], ids=lambda model: model.id)
def test_reference_images(gateway, key, sandbox, model):
    """A reference image reaches the model from a URL, a data URL, base64, a list, and the native field."""
    spellings = ["https://example.com/cat.png", f"data:image/png;base64,{REFERENCE}", REFERENCE, [REFERENCE]]
    with gateway.openai(key) as client:
        for field in {"image", model.reference.field}:
            for image in spellings:
                client.images.generate(model=model.id, prompt="a fox", extra_body={field: image})

    sent = [call.body.get("input", call.body) for call in sandbox.calls if call.billable]
    assert all(model.reference.field in body for body in sent)


def test_store_away_after_the_purchase(sandbox, own_valkey):
    """While the blobs' server does not answer, a paid picture still arrives, in a data URL, disclosed."""
    with (
        RunningGateway(
            settings_for(sandbox, own_valkey.url, blobs__url="unix:///tmp/there-is-nothing-here")
        ) as gateway,
        gateway.http(gateway.key()) as http,
    ):
        answer = http.post("/v1/images/generations", json={"model": "dall-e-3", "prompt": "a fox"})

    assert answer.json()["data"][0]["url"].startswith("data:image/png;base64,")
    assert "url=data" == answer.headers["x-gateway-adjusted"]


SIZES = ["auto", "256x256", "512x512", "1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792", "2048x2048"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_size(gateway, key, sandbox, model):
    """Each common size is made exactly, made nearly and disclosed, or refused before anything is sent."""
    with gateway.http(key) as http:
        for size in SIZES:
            sandbox.reset()
            body = {"model": model.id, "prompt": f"a fox of {size}", "size": size} | extra(model)
            answer = http.post("/v1/images/generations", json=body)
            if answer.status_code == 400:
                assert envelope(answer) == (400, "invalid_request_error", "invalid_value", "size")
                assert [] == sandbox.calls
            else:
                assert 1 == sandbox.stats().paid_calls
                exact = size in {"auto", answer.json()["size"]}
                assert exact or answer.headers["x-gateway-adjusted"].startswith("size=")

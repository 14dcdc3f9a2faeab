"""Plans: parts, seeds, encodings, prices and fingerprints, before anything is spent."""

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.catalog import Catalog, CatalogError, load_catalog
from gateway.errors import InvalidRequest, NotFound
from gateway.generation.plan import Encoding, Planner
from gateway.settings import shipped
from tests.support.golden import CATALOG, image, tried

PLANNER = Planner(CATALOG, default_model="gpt-image-1", strict_params=False)
STRICT = Planner(CATALOG, default_model="gpt-image-1", strict_params=True)
PNG = base64.b64encode(image("png")).decode()
URL = "https://example.com/a.png"


def plan(planner=PLANNER, **fields):
    return planner.plan({"prompt": "a fox"} | fields)


def fault(planner=PLANNER, **fields):
    with pytest.raises(InvalidRequest) as caught:
        plan(planner, **fields)
    return caught.value.code, caught.value.param


@pytest.mark.parametrize("n", range(1, 11))
@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_parts(model, n):
    """Every count on every model: full calls first, the rest last, the count always sent where the model knows one."""
    made = plan(model=model.id, n=n, **({"image": URL} if model.reference.use == "needs" else {}))
    counts = [part.count for part in made.parts]

    assert made.n == sum(counts) == n
    assert counts == [model.native_n] * (n // model.native_n) + [n % model.native_n] * (n % model.native_n > 0)
    if model.count_field:
        assert [part.payload[model.count_field] for part in made.parts] == counts


def test_native_packing():
    """Ten of a model of four are four, four and two."""
    assert [part.count for part in plan(model="irag-1.0", n=10).parts] == [4, 4, 2]


@pytest.mark.parametrize(
    ("fields", "seeds", "adjusted"),
    [
        ({"model": "V3", "n": 3, "seed": 5}, [5, 6, 7], {"seed": "5..7"}),
        ({"model": "V3", "n": 1, "seed": 5}, [5], {}),
        ({"model": "V3", "n": 2}, [None, None], {}),
        ({"model": "V3", "n": 2, "seed": 0}, [0, 1], {"seed": "0..1"}),
        ({"model": "imagen-4.0-generate-001", "n": 4, "seed": 5}, [5], {}),
        ({"model": "imagen-4.0-generate-001", "n": 5, "seed": 5}, [5, 6], {"seed": "5..6"}),
        ({"model": "doubao-seedream-4-0-250828", "n": 2, "seed": -1}, [-1, -1], {}),
    ],
)
def test_seeds(fields, seeds, adjusted):
    """Parallel parts get a seed each, disclosed; a random one stays random."""
    made = plan(**fields)

    assert [part.payload.get("seed") for part in made.parts] == seeds
    assert made.adjusted == adjusted


@pytest.mark.parametrize(
    ("fields", "encoding"),
    [
        ({"model": "V3"}, Encoding()),
        ({"model": "V3", "output_format": "png"}, Encoding("png")),
        ({"model": "V3", "output_format": "jpeg", "output_compression": 0}, Encoding("jpeg", 0)),
        ({"model": "V3", "output_format": "webp", "output_compression": 100}, Encoding("webp", 100)),
        ({"model": "V3", "output_compression": 100}, Encoding()),
        (
            {"model": "gpt-image-1", "output_format": "jpeg", "output_compression": 30},
            Encoding("jpeg", 30, compressed_upstream=True),
        ),
        (
            {"model": "imagen-3.0-generate-002", "output_format": "jpeg", "output_compression": 30},
            Encoding("jpeg", 30, compressed_upstream=True),
        ),
        ({"model": "imagen-3.0-generate-002", "output_format": "webp", "output_compression": 30}, Encoding("webp", 30)),
        ({"model": "flux-kontext-pro", "output_format": "jpeg", "output_compression": 30}, Encoding("jpeg", 30)),
    ],
)
def test_encodings(fields, encoding):
    """The encoding is asked for on every model; what upstream compresses itself is not compressed again."""
    assert plan(**fields).encoding == encoding


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"output_compression": 99}, "invalid_png_output_compression", "output_compression"),
        ({"output_compression": 0, "output_format": "png"}, "invalid_png_output_compression", "output_compression"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background"),
    ],
)
@pytest.mark.parametrize("model", ["gpt-image-1", "V3"])
def test_impossible_encodings(model, fields, code, param):
    """They are wrong on every model."""
    assert fault(model=model, **fields) == (code, param)


@pytest.mark.parametrize(
    ("background", "wants"), [("transparent", True), ("opaque", False), ("auto", False), (None, False)]
)
def test_transparency(background, wants):
    """The wish for it is remembered, to tell what was delivered."""
    assert plan(background=background).wants_transparency is wants


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dall-e-3", "url"),
        ("openai/DALL-E-3", "url"),
        ("dall-e-2", "url"),  # an operator's alias, for clients that read only URLs
        ("gpt-image-1", "b64_json"),
        ("V3", "b64_json"),
        (None, "b64_json"),
    ],
)
def test_default_response_format(name, expected):
    """By name, as clients of OpenAI expect it: of the model, or of what they asked for; explicit wins."""
    catalog = load_catalog(shipped("models.toml"), {"dall-e-2": "gpt-image-1"})
    planner = Planner(catalog, default_model="gpt-image-1", strict_params=False)

    assert plan(planner, model=name).response_format == expected
    for explicit in ("url", "b64_json"):
        assert plan(planner, model=name, response_format=explicit).response_format == explicit


@pytest.mark.parametrize("model", ["gpt-image-1", "dall-e-3"])
def test_streams(model):
    """A stream carries one picture in base64, by whatever name the model goes; false and null ask for none."""
    made = plan(model=model, stream=True, partial_images=2, n=1, response_format=None)

    assert (made.stream, made.response_format, made.ignored) == (True, "b64_json", ())
    assert not plan(model=model, stream=False).stream
    assert not plan(model=model, stream=None).stream
    assert fault(model=model, stream=True, n=2) == ("invalid_value", "n")
    assert fault(model=model, stream=True, response_format="url") == ("invalid_value", "response_format")


@pytest.mark.parametrize(
    ("fields", "micro"),
    [
        ({}, 250_000),
        ({"quality": "auto", "size": "auto"}, 250_000),
        ({"size": "1024x1024"}, 167_000),
        ({"quality": "low"}, 16_000),
        ({"quality": "standard", "size": "1024x1024"}, 42_000),
        ({"quality": "max", "size": "1024x1024"}, 167_000),
        ({"quality": "hd", "size": "1536x1024", "n": 10}, 2_500_000),
        ({"model": "dall-e-3"}, 40_000),
        ({"model": "dall-e-3", "quality": "auto"}, 40_000),
        ({"model": "dall-e-3", "quality": "high", "size": "1792x1024", "n": 2}, 240_000),
        ({"model": "V3"}, 60_000),
        ({"model": "V3", "quality": "auto"}, 60_000),
        ({"model": "V3", "quality": "hd"}, 90_000),
        ({"model": "V3", "quality": "hd", "rendering_speed": "FLASH"}, 30_000),
        ({"model": "irag-1.0", "n": 3}, 58_800),
    ],
)
def test_estimate(fields, micro):
    """The estimate is the dearest reading of the request, for every image; what is certain is not overestimated."""
    assert plan(**fields).estimate == micro


def test_no_price_no_estimate():
    """A model without a price has none."""
    free = Catalog((structs.replace(CATALOG.resolve("V3"), price=None),))

    assert plan(Planner(free, default_model="V3", strict_params=False)).estimate is None


FINGERPRINT = {"model": "gpt-image-1", "n": 2, "size": "1024x1024", "quality": "low", "output_format": "webp"}


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"response_format": "url"},
        {"model": "openai/GPT-Image-1"},
        {"stream": False, "partial_images": 0},
        {"style": "vivid", "cfg_scale": 7, "safety_identifier": "s"},
        {"user": None, "seed": None},
        {"user": ""},
        {"output_compression": None},
    ],
)
def test_fingerprints_of_the_same_picture(same):
    """What does not change the picture does not change the fingerprint."""
    assert plan(**FINGERPRINT | same).fingerprint == plan(**FINGERPRINT).fingerprint


def test_fingerprints_do_not_depend_on_the_order():
    """Keys may come in any order."""
    fields = {"prompt": "a fox"} | FINGERPRINT

    assert PLANNER.plan(fields).fingerprint == PLANNER.plan(dict(reversed(fields.items()))).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "a fox."},
        {"model": "V3"},
        {"n": 3},
        {"size": "1536x1024"},
        {"quality": "high"},
        {"output_format": "png"},
        {"output_compression": 50},
        {"background": "opaque"},
        {"moderation": "low"},
        {"user": "u"},
        {"image": URL},
        {"image": PNG},
    ],
)
def test_fingerprints_of_another_picture(other):
    """Whatever may change the picture changes the fingerprint."""
    assert plan(**FINGERPRINT | other).fingerprint != plan(**FINGERPRINT).fingerprint


def test_fingerprints_of_our_own_encoding():
    """Also where only the gateway's own encoding differs."""
    prints = {plan(model="V3", output_format="jpeg", output_compression=c).fingerprint for c in (10, 20, None)}
    prints |= {plan(model="V3", output_format=f).fingerprint for f in ("png", "webp", None)}

    assert len(prints) == 6


def test_fingerprints_of_reference_images():
    """A URL counts as text, inline images by their bytes, however they are spelled."""
    spelled = [PNG, f"data:image/png;base64,{PNG}", f"data:image/jpeg;base64,{PNG}", [PNG]]

    assert len({plan(image=one).fingerprint for one in spelled}) == 1
    assert plan(image=URL).fingerprint != plan(image=URL + "?").fingerprint


@pytest.mark.parametrize("change", [{"version": 2}, {"path": "openai/gpt-image-1"}])
def test_fingerprints_follow_the_row(change):
    """A row that calls another path, or has another version, makes another picture."""
    changed = Catalog((structs.replace(CATALOG.resolve("gpt-image-1"), **change),))
    planner = Planner(changed, default_model="gpt-image-1", strict_params=False)

    assert plan(planner).fingerprint != plan().fingerprint


def test_fingerprints_are_stable():
    """The fingerprint outlives the process: this one was written down."""
    assert plan(model="V3", seed=1).fingerprint == "7413ab45bbb21b5760f2713f2c9dda793524e75df16181862056019310e7fb72"


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"style": "vivid"}, "style"), ({"cfg_scale": 7}, "cfg_scale"), ({"user": "u", "model": "V3"}, "user")],
)
def test_strict(fields, param):
    """In strict mode what cannot be honoured is refused by name; what can is not."""
    assert fault(STRICT, **fields) == ("unknown_parameter", param)
    assert plan(**fields).ignored == (param,)
    assert plan(STRICT, size="auto", quality="auto", n=2, response_format="url", user="u").n == 2


def test_model_names():
    """None takes the default; an unknown name is a 404, a wrong type a 400."""
    assert plan(model=None).model.id == "gpt-image-1"
    assert fault(model=5) == ("invalid_type", "model")
    assert fault(model="") == ("empty_string", "model")
    with pytest.raises(NotFound):
        plan(model="gpt-9")


def test_rows_are_rehearsed():
    """A row that its dialect cannot use, or a default model that is none, stops the start."""
    gpt, v3 = CATALOG.resolve("gpt-image-1"), CATALOG.resolve("V3")
    for row, says in [
        (structs.replace(v3, dialect="dalli"), "V3: unknown dialect 'dalli'; there are 'openai'"),
        (structs.replace(v3, sizes=gpt.sizes), "V3: the ideogram dialect does not take this kind of sizes"),
    ]:
        with pytest.raises(CatalogError, match=says):
            Planner(Catalog((row,)), default_model="V3", strict_params=False)
    with pytest.raises(CatalogError, match=r"images\.default_model: The model 'gpt-9' does not exist"):
        Planner(CATALOG, default_model="gpt-9", strict_params=False)


NAMES = [
    *sorted({name for model in CATALOG.models for name in model.params}),
    "n", "size", "quality", "output_format", "output_compression", "background", "moderation", "image", "refer_image",
    "input_image", "user", "style", "numberOfImages", "sequential_image_generation", "x",
]  # fmt: skip
VALUES = (
    st.none() | st.booleans() | st.integers(-2, 2**33) | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["1024x1024", "2K", "auto", "high", "16:9", "png", "jpeg", "low", "1K", "ON", URL, PNG, "disabled"])
    | st.lists(st.sampled_from([URL, PNG, 5]), max_size=3)
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no fault
@given(model=st.sampled_from(CATALOG.models), fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
def test_any_request(model, fields):
    """Any request is planned, with everything in it sent, disclosed or done by the gateway, or is a 400 naming a field."""
    fields = {"prompt": "a fox", "model": model.id} | fields
    made, refusal = tried(PLANNER.plan, fields)

    if refusal:
        assert (refusal.status, refusal.param in fields or refusal.param == "image") == (400, True)
        return
    assert 1 <= made.n <= 10
    assert set(made.ignored) <= set(fields)
    assert len(made.fingerprint) == 64
    for part in made.parts:
        assert part.payload["prompt"] == "a fox"
        assert None not in part.payload.values()

"""Sizes: the table for every model, and the promise for any other size."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog import CatalogError
from gateway.dialects import sizes
from gateway.dialects.ask import Ask
from gateway.errors import InvalidRequest
from gateway.generation.plan import Planner
from tests.support.golden import CATALOG, tried

PLANNER = Planner(CATALOG, default_model="gpt-image-1", strict_params=False)
IMAGEN_2K = ("imagen-4.0-ultra-generate-001", "imagen-4.0-generate-001")
IMAGEN_1K = ("imagen-4.0-fast-generate-001", "imagen-4.0-fast-generate-preview-06-06", "imagen-3.0-generate-002")
KONTEXT = ("flux-kontext-max", "flux-kontext-pro")
ONE_STEP = ("FLUX.1-Kontext-pro", "FLUX-1.1-pro")
SIZED = ("Qwen-Image", "irag-1.0")
EDITS = ("Qwen-Image-Edit", "ernie-irag-edit")
SIZES = (
    None, "auto", "256x256", "512x512", "1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792", "2048x2048",
)  # fmt: skip
NO = "400"
S, P, L = "1024x1024", "1024x1536", "1536x1024"
WIDE, TALL = "1792x1024", "1024x1792"

# One row per group of models: what is sent for each of SIZES; a star marks what is disclosed as adjusted.
TABLE = {
    ("gpt-image-1",): ("-", "-", NO, NO, S, L, P, NO, NO, NO),
    ("dall-e-3",): ("-", "-", NO, NO, S, NO, NO, WIDE, TALL, NO),
    IMAGEN_2K: ("-", "-", "1:1", "1:1", "1:1", "4:3*", "3:4*", "16:9*", "9:16*", "1:1 2K"),
    IMAGEN_1K: ("-", "-", "1:1", "1:1", "1:1", "4:3*", "3:4*", "16:9*", "9:16*", "1:1"),
    KONTEXT: ("1:1", "1:1", "1:1", "1:1", "1:1", "3:2", "2:3", "16:9*", "9:16*", "1:1"),
    ONE_STEP: ("-", "-", "1:1", "1:1", "1:1", "3:2", "2:3", "16:9*", "9:16*", "1:1"),
    SIZED: (S, S, "512x512*", "512x512", S, L, P, WIDE, TALL, "2048x2048"),
    EDITS: ("-", "-", "512x512*", "512x512", S, L, P, WIDE, TALL, "2048x2048"),
    ("doubao-seedream-4-0-250828",): ("2K", "2K", S + "*", S + "*", S, L, P, WIDE, TALL, "2048x2048"),
    ("V3",): ("-", "-", "1x1", "1x1", "1x1", "3x2", "2x3", "16x9*", "9x16*", "1x1"),
    ("Stable-Diffusion-3-5-Large",): ("-", "-", "-", "-", "-", "3:2", "2:3", "16:9*", "9:16*", "-"),
}
CASES = [(model, size, row[i]) for models, row in TABLE.items() for model in models for i, size in enumerate(SIZES)]


def plan(model, size):
    needs = CATALOG.resolve(model).reference.use == "needs"
    return PLANNER.plan(
        {"model": model, "prompt": "a fox", "size": size} | ({"image": "https://example.com/a.png"} if needs else {})
    )


def sent(made):
    payload = made.parts[0].payload
    found = [payload[key] for key in ("size", "aspect_ratio", "aspectRatio", "sampleImageSize") if key in payload]
    return " ".join(found) or "-"


def test_the_table_has_every_model():
    """No model is left out."""
    assert {model for models in TABLE for model in models} == {model.id for model in CATALOG.models}


@pytest.mark.parametrize(("model", "size", "expected"), CASES)
def test_table(model, size, expected):
    """Each of OpenAI's sizes becomes what the model can make; what is not exact is disclosed, the rest refused."""
    if expected == NO:
        with pytest.raises(InvalidRequest) as refusal:
            plan(model, size)
        assert (refusal.value.param, refusal.value.code) == ("size", "invalid_value")
        assert all(value in refusal.value.message for value in (size, *CATALOG.resolve(model).sizes.values))
        return
    made = plan(model, size)

    assert sent(made) == expected.rstrip("*")
    assert ("size" in made.adjusted) is expected.endswith("*")
    assert not made.ignored


def proportion(text):
    width, height = text.replace("x", ":").split(":")
    return int(width) / int(height)


def exact(wanted, got, model):
    """Sizes in pixels are exact when they are equal, ratios when they are the same proportion."""
    if model.dialect in {"openai", "qianfan", "seedream"}:
        return wanted == got
    return math.isclose(proportion(wanted), proportion(got), rel_tol=1e-12)


side = st.integers(1, 99_999) | st.sampled_from([256, 512, 720, 768, 1024, 1080, 1280, 1536, 1792, 1920, 2048, 4096])


@given(model=st.sampled_from(CATALOG.models), width=side, height=side)
def test_any_size(model, width, height):
    """Any size is honoured within 15 %, disclosed when not exactly, or it is a 400 naming `size`; nothing else."""
    wanted = f"{width}x{height}"
    made, refusal = tried(plan, model.id, wanted)
    if refusal:
        assert (refusal.status, refusal.param) == (400, "size")
        assert wanted in refusal.message
        return
    got = sent(made).split()[0]
    got = "1:1" if got == "-" else got  # Stable Diffusion's square is not sent

    assert abs(math.log(proportion(wanted) / proportion(got))) <= 0.15 + 1e-9
    assert ("size" in made.adjusted) is not exact(wanted, got, model)
    assert made.adjusted.get("size", got).replace("x", ":") == got.replace("x", ":")


@pytest.mark.parametrize(
    ("size", "ratio", "adjusted"),
    [
        ("1023x1024", "1:1", True),  # within 3 % of a common ratio
        ("1200x1000", "6:5", False),  # free, exact
        ("65536x40001", "1170:714", None),  # too long a fraction: the nearest short one, disclosed
        ("2100x900", "21:9", False),
        ("900x2100", "9:21", False),
        ("2600x1000", "21:9", True),
    ],
)
def test_free_ratios(size, ratio, adjusted):
    """A model of free ratios gets a common one where it is near, else the size's own in short numbers."""
    made = plan("flux-kontext-pro", size)

    if adjusted is None:
        assert max(map(int, sent(made).split(":"))) < 10_000
        assert "size" in made.adjusted
    else:
        assert sent(made) == ratio
        assert ("size" in made.adjusted) is adjusted


def test_how_near_is_near():
    """Up to 15 % off the nearest ratio is honoured, a little more is not."""
    assert plan("imagen-3.0-generate-002", "2060x1000").adjusted == {"size": "16:9"}
    with pytest.raises(InvalidRequest, match=r"'16:9', is more than 15 % off"):
        plan("imagen-3.0-generate-002", "2070x1000")


def test_nearest_recommended_size():
    """Among recommended sizes of the same ratio the one of the nearest area is taken."""
    assert sent(plan("irag-1.0", "4000x3000")) == "2048x1536"
    assert sent(plan("irag-1.0", "400x300")) == "1024x768"


def test_a_row_of_another_kind():
    """A dialect that is given a kind of sizes that it cannot spell says so, for the operator."""
    ask = Ask(CATALOG.resolve("V3"), {"prompt": "a fox"})
    for take in (sizes.listed, sizes.free):
        with pytest.raises(CatalogError, match="V3: the ideogram dialect"):
            take(ask)
    with pytest.raises(CatalogError, match="gpt-image-1"):
        sizes.ratio(Ask(CATALOG.resolve("gpt-image-1"), {"prompt": "a fox"}))


def test_pixels():
    """Pixels are those of `size`, none where it does not tell."""
    pixels = [sizes.pixels(Ask(CATALOG.resolve("V3"), {"prompt": "a", "size": s})) for s in ("10x20", "auto", "2K")]

    assert pixels == [200, 0, 0]

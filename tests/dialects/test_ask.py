"""A request as a dialect reads it: what is read is honoured, what is left over is disclosed."""

import pytest

from gateway.dialects import readers
from gateway.dialects.ask import OPENAI_FIELDS, Ask
from gateway.errors import InvalidRequest
from tests.support.golden import CATALOG

V3 = CATALOG.resolve("V3")
IMAGEN = CATALOG.resolve("imagen-4.0-generate-001")


def ask(model=V3, **fields):
    return Ask(model, {"prompt": "a fox"} | fields)


def test_nulls_are_absent():
    """Null says nothing, about known fields and unknown ones."""
    asked = ask(n=None, size=None, cfg_scale=None)

    assert (asked.n, "size" in asked, asked.ignored()) == (1, False, [])


@pytest.mark.parametrize("prompt", [{}, {"prompt": None}])
def test_a_prompt_is_required(prompt):
    """Absent and null are missing."""
    with pytest.raises(InvalidRequest) as caught:
        Ask(V3, prompt)
    assert (caught.value.code, caught.value.param) == ("missing_required_parameter", "prompt")


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_the_prompt_has_the_models_own_limit(model):
    """At the limit it passes, one character more does not; characters are counted, not bytes."""
    longest = "画" * model.prompt_max_chars

    assert Ask(model, {"prompt": longest}).prompt == longest
    with pytest.raises(InvalidRequest) as caught:
        Ask(model, {"prompt": longest + "画"})
    assert (caught.value.code, caught.value.param) == ("string_above_max_length", "prompt")
    assert str(model.prompt_max_chars) in caught.value.message


@pytest.mark.parametrize("field", sorted(OPENAI_FIELDS))
def test_impossible_values_are_wrong_before_anything_is_read(field):
    """A field of OpenAI's is checked whether the model knows it or not."""
    with pytest.raises(InvalidRequest) as caught:
        Ask(V3, {"prompt": "a fox", field: [["impossible"]]})
    assert caught.value.param == field


def test_what_is_read_is_honoured():
    """Reading a parameter takes it off the list of the ignored; looking does not."""
    asked = ask(style="vivid", background="opaque", cfg_scale=7)

    assert asked.ignored() == ["style", "background", "cfg_scale"]
    assert asked.field("style") == "vivid"
    assert asked.peek("background") == "opaque"
    assert asked.ignored() == ["background", "cfg_scale"]


def test_what_the_gateway_does_itself_is_never_ignored():
    """Formats and streaming are the gateway's own; an end user's name is not, and is named where it is dropped."""
    asked = ask(
        response_format="url", output_format="webp", output_compression=5, stream=True, partial_images=2, n=2, user="u"
    )

    assert asked.ignored() == ["user"]


def test_auto_leaves_it_to_the_model():
    """Every model honours `auto`; any other value not."""
    assert ask(size="auto", quality="auto", background="auto", moderation="auto").ignored() == []
    assert ask(quality="low", moderation="low").ignored() == ["quality", "moderation"]


def test_chosen():
    """`auto` is no choice."""
    assert (ask(quality="auto").chosen("quality"), ask(quality="hd").chosen("quality")) == (None, "hd")


@pytest.mark.parametrize(
    ("model", "fields", "n", "parts", "ignored"),
    [
        (V3, {}, 1, 1, []),
        (V3, {"n": 10}, 10, 10, []),
        (IMAGEN, {"n": 10}, 10, 3, []),
        (IMAGEN, {"numberOfImages": 4}, 4, 1, []),
        (IMAGEN, {"n": 2, "numberOfImages": 4}, 4, 1, ["n"]),
        (IMAGEN, {"n": 4, "numberOfImages": 4}, 4, 1, []),
        (V3, {"numberOfImages": 4}, 1, 1, ["numberOfImages"]),
        (V3, {"": 4}, 1, 1, [""]),
    ],
)
def test_counts(model, fields, n, parts, ignored):
    """The model's own count beats n; what is beaten is named."""
    asked = ask(model, **fields)

    assert (asked.n, asked.parts, asked.ignored()) == (n, parts, ignored)


@pytest.mark.parametrize(("n", "largest"), [(1, 100), (10, 91)])
def test_seeds_leave_room_for_the_parts(n, largest):
    """The last part's seed, too, must be in range."""
    assert ask(n=n, seed=largest).seed(0, 100) == largest
    with pytest.raises(InvalidRequest, match=f"<= {largest}"):
        ask(n=n, seed=largest + 1).seed(0, 100)


def test_native_parameters():
    """Those of the row are taken, typed; others are left; an empty text and a null say nothing, false says something."""
    params = {
        "magic_prompt": readers.text(),
        "seed": readers.integer(),
        "negative_prompt": readers.text(),
        "steps": readers.integer(),
    }
    asked = ask(magic_prompt="ON", seed=0, negative_prompt="", steps=3)

    assert asked.native(params) == {"magic_prompt": "ON", "seed": 0}
    assert asked.ignored() == ["steps"]

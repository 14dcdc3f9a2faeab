"""Readers: what they take, and how they say what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import readers
from gateway.dialects.ask import OPENAI_FIELDS
from gateway.errors import InvalidRequest
from tests.support.golden import tried

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def fault(reader, value, name="x"):
    with pytest.raises(InvalidRequest) as caught:
        reader(name, value)
    assert (caught.value.status, caught.value.param) == (400, name)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("reader", "values"),
    [
        (readers.integer(1, 10), [1, 10]),
        (readers.integer(), [-(2**63), 2**64]),
        (readers.number(1, 20), [1, 7.5, 20.0]),
        (readers.boolean, [True, False]),
        (readers.text(max_chars=3, min_chars=1), ["a", "画画画"]),
        (readers.text(), [""]),
        (readers.choice("a", "b"), ["a", "b"]),
        (readers.size, ["auto", "1K", "2K", "4K", "1x1", "99999x99999"]),
        (readers.ratio, ["16:9", "1:9999"]),
    ],
)
def test_taken_as_they_are(reader, values):
    """The ends of every range are inside."""
    assert [reader("x", value) for value in values] == values


def test_ratio_with_an_x():
    """Either spelling of a ratio becomes the one with a colon."""
    assert readers.ratio("x", "16x9") == "16:9"


@pytest.mark.parametrize(
    ("reader", "value", "code", "says"),
    [
        (readers.integer(), "2", "invalid_type", "expected an integer, but got a string instead"),
        (readers.integer(), True, "invalid_type", "but got a boolean instead"),
        (readers.integer(), 2.0, "invalid_type", "but got a decimal number instead"),
        (readers.integer(), [2], "invalid_type", "but got an array instead"),
        (readers.integer(), {}, "invalid_type", "but got an object instead"),
        (readers.integer(), None, "invalid_type", "but got null instead"),
        (readers.integer(1, 10), 0, "integer_below_min_value", "Expected a value >= 1, but got 0 instead"),
        (readers.integer(1, 10), 11, "integer_above_max_value", "Expected a value <= 10, but got 11 instead"),
        (readers.number(1, 20), 0.99, "decimal_below_min_value", ">= 1"),
        (readers.number(1, 20), 20.01, "decimal_above_max_value", "<= 20"),
        (readers.number(1, 20), False, "invalid_type", "expected a number"),
        (readers.number(1, 20), "7", "invalid_type", "expected a number"),
        (readers.boolean, 1, "invalid_type", "expected a boolean, but got an integer"),
        (readers.text(), 5, "invalid_type", "expected a string"),
        (readers.text(min_chars=1), "", "empty_string", "minimum length 1"),
        (readers.text(max_chars=3), "画画画画", "string_above_max_length", "length 4"),
        (readers.choice("a", "b", "c"), "d", "invalid_value", "'d'. Supported values are: 'a', 'b', and 'c'."),
        (readers.choice("a", "b"), "A", "invalid_value", "Supported values are: 'a' and 'b'."),
        (readers.choice("a"), 1, "invalid_type", "expected a string"),
        (readers.size, "banana", "invalid_value", "'banana'. Expected WIDTHxHEIGHT"),
        (readers.size, "1024X1024", "invalid_value", "WIDTHxHEIGHT"),
        (readers.size, "0x10", "invalid_value", "WIDTHxHEIGHT"),
        (readers.size, "100000x1", "invalid_value", "WIDTHxHEIGHT"),
        (readers.size, "1024x1024\n", "invalid_value", "WIDTHxHEIGHT"),
        (readers.size, "\u0661x\u0661", "invalid_value", "WIDTHxHEIGHT"),
        (readers.size, 1024, "invalid_type", "expected a string"),
        (readers.ratio, "0:1", "invalid_value", "WIDTH:HEIGHT"),
        (readers.ratio, "2.35:1", "invalid_value", "WIDTH:HEIGHT"),
        (readers.ratio, "1:10000", "invalid_value", "WIDTH:HEIGHT"),
        (readers.ratio, 1.5, "invalid_type", "expected a string"),
    ],
)
def test_faults(reader, value, code, says):
    """A fault tells its code, what came, and what would be right."""
    told = fault(reader, value)

    assert told[0] == code
    assert says in told[1]


def test_missing_and_unknown():
    """Both are worded as OpenAI words them: clients parse these sentences."""
    assert readers.missing("prompt").message == "Missing required parameter: 'prompt'."
    assert readers.missing("image", "Give one.").message == "Missing required parameter: 'image'. Give one."
    assert (readers.unknown("style").message, readers.unknown("style").code, readers.unknown("style").param) == (
        "Unknown parameter: 'style'.", "unknown_parameter", "style",
    )  # fmt: skip


@given(st.text())
def test_values_are_shown_on_one_short_line(value):
    """Whatever a client sent, what is shown of it fits in a message and a log line."""
    shown = readers.show(value)

    assert len(shown) <= 80
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("values", "joined"), [(["a"], "'a'"), (["a", "b"], "'a' or 'b'"), (["a", "b", "c"], "'a', 'b', or 'c'")]
)
def test_join(values, joined):
    """A list reads as English does."""
    assert readers.join(values, last="or") == joined


@given(name=st.sampled_from(sorted(OPENAI_FIELDS)), value=JSON)
def test_any_value_of_any_field(name, value):
    """Any JSON value is taken as it is or is a 400 naming the field; never an exception of another kind."""
    taken, refusal = tried(OPENAI_FIELDS[name], name, value)

    if refusal is None:
        assert taken == value
    else:
        assert (refusal.status, refusal.param) == (400, name)
        assert refusal.message.isprintable()

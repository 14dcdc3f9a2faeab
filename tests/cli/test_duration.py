import click
import pytest

from gateway.cli.duration import Duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1800), ("12h", 43_200), ("90d", 7_776_000), ("2w", 1_209_600), ("0s", 0)]
)
def test_a_number_with_its_unit_becomes_seconds(text, seconds):
    """Seconds, minutes, hours, days, weeks."""
    assert Duration()(text) == seconds


@pytest.mark.parametrize("text", ["90", "d", "1.5h", "-1d", "1h30m", "1 h", "90D", "٣d", "never", ""])
def test_anything_else_is_refused_with_the_right_form(text):
    """A bare number is not guessed at."""
    with pytest.raises(click.BadParameter, match="write a whole number and a unit, as in 90d, 12h, 30m or 45s"):
        Duration()(text)


def test_never_is_a_duration_only_where_that_makes_sense():
    """It means that there is no end, and the hint names it."""
    assert Duration(word="never")("never") is None
    with pytest.raises(click.BadParameter, match="45s, or never"):
        Duration(word="never")("ever")

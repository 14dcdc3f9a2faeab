from decimal import Decimal

import pytest

from gateway.errors import InvalidRequest
from gateway.store.limits import KINDS, Limits, as_changes, check_limits, limit_fields, limits_in, outside, read_limits


def test_limits_are_read_from_their_outside_names():
    """The budget turns from dollars into micro-dollars; none of them is none."""
    given = {"requests_per_minute": 60, "budget_usd_per_month": Decimal("12.50"), "max_concurrent": None}
    assert read_limits(given) == {"requests_per_minute": 60, "budget_per_month": 12_500_000, "max_concurrent": None}


@pytest.mark.parametrize(
    ("name", "value", "code", "said"),
    [
        ("requests_per_minute", 0, "invalid_value", "a whole number from 1 to 1000000, or none."),
        ("requests_per_minute", 1_000_001, "invalid_value", "a whole number from 1 to 1000000, or none."),
        ("images_per_day", -1, "invalid_value", "a whole number from 0 to 1000000000, or none."),
        ("images_per_day", "5", "invalid_type", "a whole number from 0 to 1000000000, or none."),
        ("images_per_day", True, "invalid_type", "a whole number from 0 to 1000000000, or none."),
        ("images_per_day", Decimal("1.5"), "invalid_type", "a whole number from 0 to 1000000000, or none."),
        ("max_concurrent", 0, "invalid_value", "a whole number from 1 to 1000000, or none."),
        ("budget_usd_per_month", Decimal("-0.01"), "invalid_value", "dollars from 0 to 10000000 with at most 6"),
        ("budget_usd_per_month", Decimal("0.0000001"), "invalid_value", "dollars from 0 to 10000000 with at most 6"),
        ("budget_usd_per_month", Decimal("10000000.000001"), "invalid_value", "dollars from 0 to 10000000 with at"),
        ("budget_usd_per_month", Decimal("NaN"), "invalid_value", "dollars from 0 to 10000000 with at most 6"),
        ("budget_usd_per_month", 1.5, "invalid_type", "dollars from 0 to 10000000 with at most 6"),
        ("budget_usd_per_month", [], "invalid_type", "dollars from 0 to 10000000 with at most 6"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(name, value, code, said):
    """The message names the limit, what was given, and what would be right."""
    with pytest.raises(InvalidRequest) as refused:
        read_limits({name: value})
    assert (refused.value.param, refused.value.code) == (name, code)
    assert refused.value.message.startswith(f"{name} = {value}: expected {said}")


@pytest.mark.parametrize("name", list(KINDS))
def test_both_ends_of_each_range_are_allowed(name):
    """As inside names have them."""
    kind = KINDS[name]
    check_limits({kind.inside: kind.least})
    check_limits({kind.inside: kind.most})
    check_limits({kind.inside: None})


def test_a_hash_holds_limits_as_texts():
    """None is an empty text; an absent field is none as well, and other fields are not looked at."""
    limits = Limits(images_per_day=0, budget_per_month=10**13)
    fields = limit_fields(as_changes(limits))
    assert fields == {
        "requests_per_minute": "",
        "images_per_day": "0",
        "budget_per_month": "10000000000000",
        "max_concurrent": "",
    }
    assert limits_in(fields | {"name": "n"}) == limits
    assert limits_in({}) == Limits()


def test_limits_are_told_in_dollars():
    """By the names that `read_limits` takes."""
    limits = Limits(1, 2, 12_500_000, None)
    told = outside(limits)
    assert told == {
        "requests_per_minute": 1,
        "images_per_day": 2,
        "budget_usd_per_month": Decimal("12.5"),
        "max_concurrent": None,
    }
    assert Limits(**read_limits(told)) == limits

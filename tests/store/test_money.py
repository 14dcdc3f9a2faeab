from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.money import in_dollars, micro_dollars


@pytest.mark.parametrize(
    ("dollars", "micro"),
    [(0, 0), (12, 12_000_000), ("12.50", 12_500_000), ("0.000001", 1), ("1E+3", 10**9), ("-0.0", 0), ("-1", -(10**6))],
)
def test_dollars_become_micro_dollars(dollars, micro):
    """Whole ones and decimals, however they are written."""
    assert micro_dollars(Decimal(dollars)) == micro


@pytest.mark.parametrize(
    "dollars", ["0.0000001", "1.0000000000000000000000000000000000000000001", "1E+400", "1E-400", "NaN", "Infinity"]
)
def test_what_would_be_rounded_is_refused(dollars):
    """However small the rest is."""
    with pytest.raises(ValueError, match="an amount of dollars has at most"):
        micro_dollars(Decimal(dollars))


@given(st.integers(min_value=0, max_value=10**15))
def test_money_survives_its_way_out_and_in(micro):
    """Exactly, and in plain digits."""
    dollars = in_dollars(micro)

    assert micro_dollars(dollars) == micro
    assert not str(dollars).endswith(".0")
    assert micro_dollars(Decimal(f"{dollars:f}")) == micro


@pytest.mark.parametrize(("micro", "written"), [(12_500_000, "12.5"), (10**13, "10000000"), (0, "0")])
def test_dollars_are_written_without_trailing_zeros(micro, written):
    """And never with an exponent."""
    assert str(in_dollars(micro)) == written

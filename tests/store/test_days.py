from datetime import date

import pytest

from gateway.store.days import read_day

NOW = 1_800_000_000  # 2027-01-15 08:00 UTC


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-01", date(2026, 11, 1)),
        ("today", date(2027, 1, 15)),
        ("1d", date(2027, 1, 15)),
        ("7d", date(2027, 1, 9)),
    ],
)
def test_a_day_is_a_date_or_so_many_days_back(text, day):
    """Today is the first of them."""
    assert read_day(text, NOW) == day


@pytest.mark.parametrize("text", ["0d", "7", "7h", "20261101", "2026-02-30", "", "99999d", "2026-W01-1"])
def test_anything_else_is_refused(text):
    """With words on what would be right."""
    with pytest.raises(ValueError, match="write 2026-11-01"):
        read_day(text, NOW)

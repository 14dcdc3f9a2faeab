"""UTC days as people write them: 2026-11-01, today, or 7d for the first of the last seven days."""

import re
from datetime import UTC, date, datetime, timedelta

_BACK = re.compile(r"([1-9][0-9]{0,3})d", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def read_day(text: str, now: float) -> date:
    """Read a day as of `now` (unix seconds); 1d is today. Raises ValueError, which says what is right."""
    today = datetime.fromtimestamp(now, UTC).date()
    if text == "today":
        return today
    if back := _BACK.fullmatch(text):
        return today - timedelta(days=int(back[1]) - 1)
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{text[:80]!r} is not a day: write 2026-11-01, today, or 7d for the last seven days.")

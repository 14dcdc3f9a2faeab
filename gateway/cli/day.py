"""UTC days as people write them: 2026-11-01, or 7d for the seventh last one, today included."""

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

_BACK = re.compile(r"([1-9][0-9]{0,3})d", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Day(click.ParamType[date]):
    """A day, which becomes a date. `clock` gives unix seconds."""

    name = "day"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251  where clocks come from
        self._clock = clock

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read one; today is the first day back."""
        if isinstance(value, date):
            return value
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        back = _BACK.fullmatch(value)
        if back:
            return today - timedelta(days=int(back[1]) - 1)
        if value == "today":
            return today
        try:
            return date.fromisoformat(value) if _DAY.fullmatch(value) else self._refuse(value, param, ctx)
        except ValueError:
            return self._refuse(value, param, ctx)

    def _refuse(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> date:
        self.fail(f"{value!r} is not a day: write 2026-11-01, today, or 7d for the last seven days.", param, ctx)

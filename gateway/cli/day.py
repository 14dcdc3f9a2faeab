"""UTC days as options."""

import time
from collections.abc import Callable
from datetime import date
from typing import Any

import click

from gateway.store.days import read_day


class Day(click.ParamType[date]):
    """A day, which becomes a date. `clock` gives unix seconds."""

    name = "day"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251  where clocks come from
        self._clock = clock

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read one."""
        if isinstance(value, date):
            return value
        try:
            return read_day(value, self._clock())
        except ValueError as error:
            self.fail(str(error), param, ctx)

"""Durations as people write them: 90d, 12h, 30m, 45s."""

import re
from typing import Any, ClassVar

import click

_FORM = re.compile(r"([0-9]{1,9})([smhdw])")


class Duration(click.ParamType["int | None"]):
    """A whole number with its unit; becomes seconds. With `never`, that word becomes None."""

    name = "duration"
    _seconds: ClassVar = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

    def __init__(self, *, never: bool = False) -> None:
        self._never = never

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or isinstance(value, int) or (self._never and value == "never"):
            return value if isinstance(value, int) else None
        match = _FORM.fullmatch(value)
        if match is None:
            others = ", or never" if self._never else ""
            self.fail(
                f"{value!r} is not a duration: write a whole number and a unit, as in 90d, 12h, 30m or 45s{others}.",
                param,
                ctx,
            )
        return int(match[1]) * self._seconds[match[2]]

"""Durations as people write them: 90d, 12h, 30m, 45s."""

import re
from typing import Any

import click

_FORM = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
RIGHT = "write a whole number and a unit, as in 90d, 12h, 30m or 45s"


def seconds_of(text: str) -> int:
    """Read a duration, in seconds. Raises ValueError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: {RIGHT}")
    return int(match[1]) * _SECONDS[match[2]]


class Duration(click.ParamType["int | None"]):
    """A whole number with its unit; becomes seconds. A `word` of its own, such as never, becomes None."""

    name = "duration"

    def __init__(self, *, word: str | None = None) -> None:
        self._word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or isinstance(value, int) or value == self._word:
            return value if isinstance(value, int) else None
        try:
            return seconds_of(value)
        except ValueError as error:
            self.fail(f"{error}{f', or {self._word}' if self._word else ''}.", param, ctx)

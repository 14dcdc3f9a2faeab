"""Amounts of US dollars as people write them: 0.06, or 12."""

import re
from decimal import Decimal
from typing import Any

import click

from gateway.store.money import micro_dollars

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?", re.ASCII)


class Dollars(click.ParamType["int | None"]):
    """An amount; becomes micro-dollars. With `none`, that word becomes None."""

    name = "usd"

    def __init__(self, *, none: bool = False) -> None:
        self._none = none

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Read one; what is finer than micro-dollars is refused."""
        if value is None or isinstance(value, int) or (self._none and value == "none"):
            return value if isinstance(value, int) else None
        if not _AMOUNT.fullmatch(value):
            others = ", or none" if self._none else ""
            self.fail(f"{value!r} is not an amount of dollars: write 0.06 or 12{others}.", param, ctx)
        return micro_dollars(Decimal(value))

"""The limits as options, alike on every command that sets some."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from gateway.errors import InvalidRequest
from gateway.store.limits import BUDGET, KINDS, read_limits

_WHOLE = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,20}\.[0-9]{1,20}", re.ASCII)
_HELP = {
    "requests_per_minute": "A bucket of a minute's worth, refilled evenly; or none.",
    "images_per_day": "Images per UTC day, or none.",
    BUDGET: "Dollars per UTC calendar month, e.g. 12.50, or none.",
    "max_concurrent": "Generations under way at the same time, or none.",
}


class _Limit(click.ParamType["int | None"]):
    """A limit: a number, or "none", which becomes None. The budget turns into micro-dollars."""

    name = "limit"

    def __init__(self, limit: str) -> None:
        self._limit = limit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        try:
            return read_limits({self._limit: limit_value(value)})[KINDS[self._limit].inside]
        except InvalidRequest as error:
            self.fail(error.message, param, ctx)


def limit_value(text: object) -> object:
    """Read a limit as people write it: "none" is None, digits are a number; whatever else it is stays as it is."""
    if text == "none":
        return None
    if isinstance(text, str) and _WHOLE.fullmatch(text):
        return int(text)
    return Decimal(text) if isinstance(text, str) and _DECIMAL.fullmatch(text) else text


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of all limits to a command; it gets `limits`: those that were given, by their inside names."""

    @wraps(command)
    def with_limits(**parameters: Any) -> None:
        was_given = given(click.get_current_context())
        limits = {kind.inside: parameters.pop(name) for name, kind in KINDS.items()}
        command(
            limits={kind.inside: limits[kind.inside] for name, kind in KINDS.items() if name in was_given},
            **parameters,
        )

    decorated: Callable[..., None] = with_limits
    for name in reversed(KINDS):
        option = click.option(
            f"--{name.replace('_', '-')}",
            type=_Limit(name),
            metavar="USD" if name == BUDGET else "N",
            help=_HELP[name],
        )
        decorated = option(decorated)
    return decorated


def given(context: click.Context) -> Mapping[str, Any]:
    """Give the parameters that the user wrote down, as opposed to defaults."""
    return {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }

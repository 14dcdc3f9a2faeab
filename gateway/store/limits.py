"""What a key or a team may do: its limits, how they are spelled and checked, and how Redis holds them.

Outside, a budget is `budget_usd_per_month` in decimal dollars; inside, `budget_per_month` in micro-dollars. In a hash
each limit is a field of its inside name, where "" or an absent field is no limit.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from gateway.errors import InvalidRequest
from gateway.store.money import in_dollars, micro_dollars


class Limits(msgspec.Struct, frozen=True):
    """The limits of a key or of a team; None is no limit. Of a key's and its team's, every one must pass.

    `requests_per_minute` is a bucket of a minute's worth that is refilled evenly. `images_per_day` counts images of a
    UTC day, `budget_per_month` micro-dollars of a UTC calendar month, `max_concurrent` generations under way.
    """

    requests_per_minute: int | None = None
    images_per_day: int | None = None
    budget_per_month: int | None = None
    max_concurrent: int | None = None


NO_LIMITS = Limits()
BUDGET = "budget_usd_per_month"


class _Kind(NamedTuple):
    inside: str
    least: int
    most: int


# The scripts count in doubles and answer through cjson, which keeps 14 digits; a bucket's time is kept to 0.001 ms.
KINDS = {
    "requests_per_minute": _Kind("requests_per_minute", 1, 1_000_000),
    "images_per_day": _Kind("images_per_day", 0, 1_000_000_000),
    BUDGET: _Kind("budget_per_month", 0, 10_000_000_000_000),
    "max_concurrent": _Kind("max_concurrent", 1, 1_000_000),
}
_OUTSIDE = {kind.inside: name for name, kind in KINDS.items()}


def read_limits(given: Mapping[str, object]) -> dict[str, int | None]:
    """Read limits from their outside names, with None for no limit, to their inside ones.

    Raises:
        InvalidRequest: a value is of another type, or out of range; `param` is its name.
        KeyError: a name is not in KINDS.

    """
    read = {KINDS[name].inside: _amount(name, value) for name, value in given.items()}
    check_limits(read)
    return read


def check_limits(changes: Mapping[str, int | None]) -> None:
    """Raise InvalidRequest for the first limit (by its inside name) out of range, KeyError for an unknown one."""
    for inside, value in changes.items():
        name = _OUTSIDE[inside]
        kind = KINDS[name]
        if value is not None and not kind.least <= value <= kind.most:
            told = in_dollars(value) if name == BUDGET else value
            raise InvalidRequest(_wrong(name, told), param=name)


def limits_in(held: Mapping[str, str]) -> Limits:
    """Read the limits that a hash holds beside its other fields."""
    return Limits(**{name: int(held[name]) for name in Limits.__struct_fields__ if held.get(name)})


def limit_fields(changes: Mapping[str, int | None]) -> dict[str, str]:
    """Write limits as the fields of a hash; of `as_changes(limits)` all of them."""
    return {name: "" if value is None else str(value) for name, value in changes.items()}


def as_changes(limits: Limits) -> dict[str, int | None]:
    """Give every limit by its inside name."""
    return {name: getattr(limits, name) for name in Limits.__struct_fields__}


def outside(limits: Limits) -> dict[str, int | Decimal | None]:
    """Give every limit by its outside name, the budget in dollars."""
    told: dict[str, int | Decimal | None] = {}
    for name, kind in KINDS.items():
        value: int | None = getattr(limits, kind.inside)
        told[name] = in_dollars(value) if name == BUDGET and value is not None else value
    return told


def _amount(name: str, value: object) -> int | None:
    if value is None:
        return None
    number = (int, Decimal) if name == BUDGET else int
    if isinstance(value, bool) or not isinstance(value, number):
        raise InvalidRequest(_wrong(name, value), code="invalid_type", param=name)
    if name != BUDGET:
        return int(value)
    try:
        return micro_dollars(value)
    except ValueError:
        raise InvalidRequest(_wrong(name, value), param=name) from None


def _wrong(name: str, value: object) -> str:
    kind = KINDS[name]
    if name == BUDGET:
        right = f"dollars from 0 to {in_dollars(kind.most)} with at most 6 decimals"
    else:
        right = f"a whole number from {kind.least} to {kind.most}"
    return f"{name} = {str(value)[:80]}: expected {right}, or none."

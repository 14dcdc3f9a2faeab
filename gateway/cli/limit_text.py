"""Limits as text."""

from decimal import Decimal

from gateway.store.limits import BUDGET, Limits, outside

_SHORT = {
    "requests_per_minute": "{}/min",
    "images_per_day": "{}/day",
    BUDGET: "${}/month",
    "max_concurrent": "{} at once",
}
_LONG = {
    "requests_per_minute": ("requests", "{} a minute"),
    "images_per_day": ("images", "{} a day"),
    BUDGET: ("budget", "${} a month"),
    "max_concurrent": ("concurrent", "{}"),
}


def short(limits: Limits) -> str:
    """Write the limits that there are in a few words, "-" for none."""
    told = _told(limits)
    return " ".join(form.format(told[name]) for name, form in _SHORT.items() if told[name] is not None) or "-"


def facts(limits: Limits) -> dict[str, str]:
    """Give each limit a name and a value to read."""
    told = _told(limits)
    return {name: _value(form, told[limit]) for limit, (name, form) in _LONG.items()}


def _told(limits: Limits) -> dict[str, str | None]:
    return {name: None if value is None else _number(value) for name, value in outside(limits).items()}


def _number(value: int | Decimal) -> str:
    """Write whole numbers as they are, other dollars with cents, or with more where there is more."""
    if value == int(value):
        return str(int(value))
    return f"{value:.2f}" if value == round(value, 2) else str(value)


def _value(form: str, value: str | None) -> str:
    return "unlimited" if value is None else form.format(value)

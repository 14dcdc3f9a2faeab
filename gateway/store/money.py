"""Money: micro-dollars inside, decimal dollars outside, and never a float in between."""

from decimal import Decimal

_MICRO = 6  # decimals of a dollar that a micro-dollar is


def micro_dollars(dollars: int | Decimal) -> int:
    """Turn dollars into micro-dollars. Raises ValueError where that would round, and for what is no finite number."""
    amount = Decimal(dollars)
    if not amount.is_finite():
        raise ValueError(f"{dollars} is not an amount of dollars")
    if amount and (amount.adjusted() > 15 or amount.normalize().as_tuple().exponent < -_MICRO):  # type: ignore[operator]
        raise ValueError(f"{dollars} is too large or has more than {_MICRO} decimals")
    return int(amount.scaleb(_MICRO))


def in_dollars(micro: int) -> Decimal:
    """Turn micro-dollars into dollars, exactly and without trailing zeros: 12.5, or 100."""
    amount = Decimal(micro).scaleb(-_MICRO)
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()

"""Money: micro-dollars inside, decimal dollars outside, and never a float in between."""

from decimal import Decimal
from fractions import Fraction

_DECIMALS = 6  # of a dollar, that a micro-dollar is
_MOST = 15  # digits before the point: far beyond any budget, and cheap to compute with


def micro_dollars(dollars: int | Decimal) -> int:
    """Turn dollars into micro-dollars. Raises ValueError for what is no such number, rather than round it."""
    amount = Decimal(dollars)
    if not amount.is_finite() or (amount and not -_DECIMALS <= amount.adjusted() < _MOST):
        raise ValueError(f"an amount of dollars has at most {_MOST} digits and {_DECIMALS} decimals")
    exact = Fraction(amount) * Fraction(10**_DECIMALS)
    if exact.denominator != 1:
        raise ValueError(f"an amount of dollars has at most {_DECIMALS} decimals")
    return exact.numerator


def in_dollars(micro: int) -> Decimal:
    """Turn micro-dollars into dollars, exactly and without trailing zeros: 12.5, or 100."""
    amount = Decimal(micro).scaleb(-_DECIMALS)
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()

"""Prices, and how far they can be trusted."""

from gateway.catalog import Price


def span(price: Price | None) -> str:
    """Write what one image costs in US dollars, from the cheapest to the dearest."""
    if price is None:
        return "-"
    amounts = sorted({entry.amount * price.usd for entry in price.images})
    return " to ".join(f"{amount:.3f}".removesuffix("0") for amount in dict.fromkeys([amounts[0], amounts[-1]]))


def basis(price: Price | None) -> str:
    """Say where a price comes from: seen at Aihubmix, or not, and on which day."""
    if price is None:
        return "missing"
    seen = "verified" if price.verified else "unverified"
    return f"{seen} {price.date}"


def rate(price: Price) -> str:
    """Write the rate that a price is converted at."""
    return f"{price.currency} at {price.usd:g} USD of {price.usd_date}"

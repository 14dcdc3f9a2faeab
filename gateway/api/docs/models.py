"""The models as people read them: one row each, in words."""

from typing import Any

from gateway.api.docs.parameters import own_parameters
from gateway.catalog import FreeSizes, Model, Price, RatioRange, Reference


def row(model: Model) -> dict[str, Any]:
    """Tell what a client needs to know of a model; the price is one image's, in US dollars."""
    return {
        "id": model.id,
        "aliases": list(model.aliases),
        "path": model.path,
        "sizes": sizes(model),
        "native_n": model.native_n,
        "reference_image": reference(model.reference),
        "parameters": own_parameters(model),
        "price": price(model.price),
    }


def sizes(model: Model) -> str:
    """Say what a model can be asked for."""
    known = model.sizes
    if isinstance(known, RatioRange):
        return f"any ratio from {known.widest} to {known.tallest}"
    if isinstance(known, FreeSizes):
        return _free(known)
    return ", ".join(known.values)


def _free(known: FreeSizes) -> str:
    if known.min_side > 1:
        limits = f"any WIDTHxHEIGHT with sides from {known.min_side} to {known.max_side}"
    else:
        limits = f"any WIDTHxHEIGHT from {known.min_pixels / 1e6:.1f} to {known.max_pixels / 1e6:.1f} megapixels"
    words = f"{', '.join(known.names)}, or " if known.names else ""
    return words + limits


def reference(rule: Reference) -> str:
    """Say what a model does with reference images."""
    if rule.use == "refuses":
        return "no"
    count = "one" if rule.max == 1 else f"up to {rule.max}"
    return f"{count}, required" if rule.use == "needs" else count


def price(known: Price | None) -> str:
    """Say what one image costs; a tilde marks a price that was not seen at Aihubmix itself."""
    if known is None:
        return "unknown"
    amounts = sorted({entry.amount * known.usd for entry in known.images})
    span = " to ".join(f"${amount:.3f}".removesuffix("0") for amount in dict.fromkeys([amounts[0], amounts[-1]]))
    return span if known.verified else f"~{span}"

"""From a requested size to what a model can make: exactly, nearly and disclosed, or not at all."""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import TypeVar

from gateway.catalog import CatalogError, FreeSizes, RatioRange, Ratios, SizeList
from gateway.dialects import readers
from gateway.dialects.ask import Ask
from gateway.errors import InvalidRequest

K = TypeVar("K", SizeList, Ratios, RatioRange, FreeSizes)

NEAR = 0.15
"""The largest |ln| of two ratios that still count as the same picture, disclosed."""

SNAP = 0.03
"""Within this |ln| of a common ratio a model of free ratios is given the common one."""

_LARGEST_TERM = 999
"""The largest denominator of a free ratio: no model was seen to take longer numbers."""


def _ratio(text: str) -> float:
    width, height = text.replace("x", ":").split(":")
    return int(width) / int(height)


def _distance(a: float, b: float) -> float:
    return abs(math.log(a / b))


def _nearest(target: float, options: Iterable[str]) -> tuple[str, float]:
    best = min(options, key=lambda option: _distance(target, _ratio(option)))
    return best, _distance(target, _ratio(best))


def _kind(ask: Ask, kind: type[K]) -> K:
    if not isinstance(ask.model.sizes, kind):
        raise CatalogError(f"{ask.model.id}: the {ask.model.dialect} dialect does not take this kind of sizes.")
    return ask.model.sizes


def listed(ask: Ask) -> str | None:
    """Take `size` for a model that makes a few exact sizes; None where the request leaves it open."""
    sizes = _kind(ask, SizeList)
    size: str | None = ask.chosen("size")
    if size is not None and size not in sizes.values:
        raise readers.wrong_value("size", size, [*sizes.values, "auto"])
    return size


def ratio(ask: Ask, param: str = "aspect_ratio") -> str | None:
    """Take the model's own ratio parameter, or else `size`, as a ratio such as `16:9`."""
    sizes = _kind(ask, RatioRange) if isinstance(ask.model.sizes, RatioRange) else _kind(ask, Ratios)
    native = ask.read(param, readers.ratio)
    if native is not None:
        return _check_native(param, native, sizes)
    size: str | None = ask.chosen("size")
    if size is None:
        return None
    if "x" not in size:
        raise _too_far(size, sizes, "")
    target = _ratio(size)
    fitted, distance = _fit(size, target, sizes)
    if distance > NEAR:
        raise _too_far(size, sizes, fitted)
    if distance > 0:
        ask.adjusted["size"] = fitted
    return fitted


def _fit(size: str, target: float, sizes: Ratios | RatioRange) -> tuple[str, float]:
    if isinstance(sizes, Ratios):
        return _nearest(target, sizes.values)
    fitted, distance = _nearest(target, sizes.common)
    if distance <= SNAP or not _within(target, sizes):
        return fitted, distance
    width, height = (int(side) for side in size.split("x"))
    plain = Fraction(width, height).limit_denominator(_LARGEST_TERM)
    return f"{plain.numerator}:{plain.denominator}", _distance(target, plain.numerator / plain.denominator)


def _within(target: float, sizes: RatioRange) -> bool:
    return _ratio(sizes.tallest) <= target <= _ratio(sizes.widest)


def _supported(sizes: Ratios | RatioRange) -> str:
    if isinstance(sizes, Ratios):
        return f"Supported ratios are: {readers.join(sizes.values)}."
    return f"Supported are ratios from '{sizes.widest}' to '{sizes.tallest}'."


def _check_native(param: str, native: str, sizes: Ratios | RatioRange) -> str:
    good = native in sizes.values if isinstance(sizes, Ratios) else _within(_ratio(native), sizes)
    if not good:
        raise InvalidRequest(f"Invalid value: '{native}'. {_supported(sizes)}", code="invalid_value", param=param)
    return native


def _too_far(size: str, sizes: Ratios | RatioRange, nearest: str) -> InvalidRequest:
    hint = f" The nearest, '{nearest}', is more than 15 % off." if nearest else ""
    return InvalidRequest(
        f"Invalid value: '{size}'. This model makes aspect ratios. {_supported(sizes)}{hint}",
        code="invalid_value",
        param="size",
    )


def pixels(ask: Ask) -> int:
    """Tell how many pixels `size` asks for; 0 where it does not say."""
    size: str | None = ask.chosen("size")
    return math.prod(int(side) for side in size.split("x")) if size and "x" in size else 0


def free(ask: Ask) -> str | None:
    """Take `size` for a model of free sizes; one out of its limits becomes the nearest recommended size."""
    sizes = _kind(ask, FreeSizes)
    size: str | None = ask.chosen("size")
    if size is None:
        return sizes.default or None
    if size in sizes.names:
        return size
    if "x" not in size:
        raise _unmakeable(size, sizes)
    if _inside(size, sizes):
        return size
    area = pixels(ask)

    def distance(option: str) -> tuple[float, float]:
        width, height = (int(side) for side in option.split("x"))
        return round(_distance(_ratio(size), _ratio(option)), 6), _distance(area, width * height)

    fitted = min(sizes.recommended, key=distance)
    if distance(fitted)[0] > NEAR:
        raise _unmakeable(size, sizes)
    ask.adjusted["size"] = fitted
    return fitted


def _inside(size: str, sizes: FreeSizes) -> bool:
    width, height = (int(side) for side in size.split("x"))
    return (
        all(sizes.min_side <= side <= sizes.max_side for side in (width, height))
        and sizes.min_pixels <= width * height <= sizes.max_pixels
        and 1 / sizes.max_ratio <= width / height <= sizes.max_ratio
    )


def _unmakeable(size: str, sizes: FreeSizes) -> InvalidRequest:
    if sizes.min_side > 1:
        limits = f"WIDTHxHEIGHT with sides of {sizes.min_side} to {sizes.max_side} pixels"
    else:
        limits = f"WIDTHxHEIGHT with {sizes.min_pixels} to {sizes.max_pixels} pixels"
    words = f", {readers.join(sizes.names, last='or')}," if sizes.names else ""
    return InvalidRequest(
        f"Invalid value: '{size}'. Supported are {limits}{words} and 'auto'; recommended: "
        f"{readers.join(sizes.recommended)}.",
        code="invalid_value",
        param="size",
    )

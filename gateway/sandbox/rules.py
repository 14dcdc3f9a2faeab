"""The vocabulary in which a model's parameters are described; a rule returns what is wrong, or None."""

import io
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pybase64
from PIL import Image

Rule = Callable[[Any], str | None]
Check = Callable[[Mapping[str, Any]], tuple[str, str] | None]

_LARGEST_REFERENCE = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Contract:
    """The keys a body must and may have, and the checks across them."""

    needs: Mapping[str, Rule]
    may: Mapping[str, Rule]
    checks: tuple[Check, ...] = ()

    def problem(self, given: Mapping[str, Any]) -> tuple[str, str] | None:
        """Find the first broken rule as (key, what is wrong), or None."""
        for key in given:
            if key not in self.needs and key not in self.may:
                return key, f"unknown parameter; known are {', '.join([*self.needs, *self.may])}"
        for key, rule in {**self.needs, **self.may}.items():
            if key not in given:
                if key in self.needs:
                    return key, "is required"
            elif wrong := rule(given[key]):
                return key, wrong
        return next((found for check in self.checks if (found := check(given))), None)


def text(most: int | None = None, most_words: int | None = None) -> Rule:
    """Require a string that is not blank, of at most so many characters and words."""

    def rule(value: Any) -> str | None:
        if not isinstance(value, str) or not value.strip():
            return f"must be a non-empty string, not {value!r}"
        if most is not None and len(value) > most:
            return f"must be at most {most} characters, has {len(value)}"
        if most_words is not None and len(value.split()) > most_words:
            return f"must be at most {most_words} words, has {len(value.split())}"
        return None

    return rule


def number(low: float, high: float, *, whole: bool = False) -> Rule:
    """Require a number from low to high, both included; a boolean is none."""
    kinds = (int,) if whole else (int, float)

    def rule(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            return f"must be {'an integer' if whole else 'a number'} from {low} to {high}, not {value!r}"
        return None

    return rule


def integer(low: int, high: int) -> Rule:
    """Require an integer from low to high, both included."""
    return number(low, high, whole=True)


def choice(*values: Any) -> Rule:
    """Require one of these values, of the same type."""

    def rule(value: Any) -> str | None:
        if any(type(value) is type(known) and value == known for known in values):
            return None
        return f"must be one of {', '.join(map(repr, values))}, not {value!r}"

    return rule


boolean = choice(True, False)


def ratio(narrowest: float, widest: float) -> Rule:
    """Require a ratio `W:H` of whole numbers, between the two."""

    def rule(value: Any) -> str | None:
        found = re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", value) if isinstance(value, str) else None
        if not found or not narrowest <= int(found[1]) / int(found[2]) <= widest:
            return f"must be a ratio such as '3:2' from {narrowest:.3g} to {widest:.3g}, not {value!r}"
        return None

    return rule


def dimensions(value: Any) -> tuple[int, int] | None:
    """Read width and height in pixels of a text such as `1024x768`, or None."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", value) if isinstance(value, str) else None
    return (int(found[1]), int(found[2])) if found else None


def sides(low: int, high: int) -> Rule:
    """Require a size `WxH` with each side from low to high, in pixels."""

    def rule(value: Any) -> str | None:
        size = dimensions(value)
        if not size or not all(low <= side <= high for side in size):
            return f"must be WxH with sides from {low} to {high} pixels, not {value!r}"
        return None

    return rule


def area(low: int, high: int, widest: float, *names: str) -> Rule:
    """Require one of the names, or a size `WxH` whose area in pixels and aspect ratio are in range."""

    def rule(value: Any) -> str | None:
        size = dimensions(value)
        if value in names or (size and low <= size[0] * size[1] <= high and 1 / widest <= size[0] / size[1] <= widest):
            return None
        return f"must be one of {', '.join(names)} or WxH of {low} to {high} pixels, not {value!r}"

    return rule


def reference(
    *, data_url: bool = True, plain: bool = True, longest_url: int = 4096, least_side: int = 1, widest: float = 1e9
) -> Rule:
    """Require a reference image: a URL, or inline bytes of at most 10 MB that decode to an image."""

    def rule(value: Any) -> str | None:
        if not isinstance(value, str) or not value:
            return f"must be a URL or an inline image, not {value!r}"
        if value.startswith(("http://", "https://")):
            return None if len(value) <= longest_url else f"must be a URL of at most {longest_url} bytes"
        if value.startswith("data:"):
            if not data_url:
                return "must be a URL or plain base64, not a data URL"
            head, _, inline = value.partition(",")
            if not re.fullmatch(r"data:image/[a-z.+-]+;base64", head):
                return f"must be a data URL data:image/...;base64, not {head[:40]!r}"
            return _inline(inline, least_side, widest)
        return _inline(value, least_side, widest) if plain else "must be a URL or a data URL, not plain base64"

    return rule


def _inline(encoded: str, least_side: int, widest: float) -> str | None:
    try:
        content = pybase64.b64decode(encoded, validate=True)
    except ValueError:
        return "is not valid base64"
    if len(content) > _LARGEST_REFERENCE:
        return f"must be at most 10 MB, has {len(content)} bytes"
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
            image.load()
            width, height = image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "does not decode to an image"
    if min(width, height) < least_side or max(width, height) > widest * min(width, height):
        return f"must have sides of at least {least_side} pixels and a ratio of at most {widest:g}, is {width}x{height}"
    return None


def one_or_more(rule: Rule, most: int) -> Rule:
    """Require one value, or a list of 1 to `most` values."""

    def either(value: Any) -> str | None:
        if not isinstance(value, list):
            return rule(value)
        if not 1 <= len(value) <= most:
            return f"must be a list of 1 to {most}, has {len(value)}"
        return next((wrong for item in value if (wrong := rule(item))), None)

    return either


def options(contract: Contract) -> Rule:
    """Require an object that keeps a contract of its own."""

    def rule(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"must be an object, not {value!r}"
        found = contract.problem(value)
        return f"{found[0]}: {found[1]}" if found else None

    return rule

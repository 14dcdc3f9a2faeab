"""Typed readers of request parameters, and the errors they raise, in OpenAI's own words and codes."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.errors import InvalidRequest

T = TypeVar("T")
Reader = Callable[[str, Any], T]
"""Takes a parameter's name and value (never null), returns the typed value or raises InvalidRequest."""


def show(value: object) -> str:
    """Quote a value for an error message: short, on one line."""
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= 80 else text[:77] + "..."


def join(values: "tuple[str, ...] | list[str]", last: str = "and") -> str:
    """Render `'a', 'b', and 'c'`."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) <= 2:
        return f" {last} ".join(quoted)
    return ", ".join(quoted[:-1]) + f", {last} {quoted[-1]}"


def wrong_type(name: str, expected: str, value: object) -> InvalidRequest:
    """Say what type was expected and what came."""
    got = {
        bool: "a boolean",
        int: "an integer",
        float: "a decimal number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }.get(type(value), "null")
    return InvalidRequest(
        f"Invalid type for '{name}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=name,
    )


def wrong_value(name: str, value: object, supported: "tuple[str, ...] | list[str]") -> InvalidRequest:
    """Say which values a parameter can have."""
    return InvalidRequest(
        f"Invalid value: '{show(value)}'. Supported values are: {join(supported)}.",
        code="invalid_value",
        param=name,
    )


def missing(name: str, why: str = "") -> InvalidRequest:
    """Say which parameter is missing."""
    return InvalidRequest(
        f"Missing required parameter: '{name}'.{why and ' ' + why}",
        code="missing_required_parameter",
        param=name,
    )


def unknown(name: str) -> InvalidRequest:
    """Refuse a parameter; several programs retry without it when they see exactly this sentence."""
    return InvalidRequest(f"Unknown parameter: '{show(name)}'.", code="unknown_parameter", param=show(name))


def _bounded(name: str, value: float, low: float | None, high: float | None, kind: str) -> None:
    if low is not None and value < low:
        raise InvalidRequest(
            f"Invalid '{name}': {kind} below minimum value. Expected a value >= {low}, but got {value} instead.",
            code=f"{kind}_below_min_value",
            param=name,
        )
    if high is not None and value > high:
        raise InvalidRequest(
            f"Invalid '{name}': {kind} above maximum value. Expected a value <= {high}, but got {show(value)} instead.",
            code=f"{kind}_above_max_value",
            param=name,
        )


def integer(low: int | None = None, high: int | None = None) -> Reader[int]:
    """Read a whole number; true and 2.0 are none."""

    def read(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(name, "an integer", value)
        _bounded(name, value, low, high, "integer")
        return value

    return read


def number(low: float | None = None, high: float | None = None) -> Reader[float]:
    """Read a number with or without a fraction."""

    def read(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(name, "a number", value)
        _bounded(name, value, low, high, "decimal")
        return value

    return read


def boolean(name: str, value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean", value)
    return value


def text(max_chars: int | None = None, min_chars: int = 0) -> Reader[str]:
    """Read a string of bounded length, counted in characters."""

    def read(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise wrong_type(name, "a string", value)
        if len(value) < min_chars:
            raise InvalidRequest(
                f"Invalid '{name}': empty string. Expected a string with minimum length {min_chars}, "
                "but got an empty string instead.",
                code="empty_string",
                param=name,
            )
        if max_chars is not None and len(value) > max_chars:
            raise InvalidRequest(
                f"Invalid '{name}': string too long. Expected a string with maximum length {max_chars}, "
                f"but got a string with length {len(value)} instead.",
                code="string_above_max_length",
                param=name,
            )
        return value

    return read


def choice(*values: str) -> Reader[str]:
    """Read one of a few words."""

    def read(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise wrong_type(name, "a string", value)
        if value not in values:
            raise wrong_value(name, value, values)
        return value

    return read


_SIZE = re.compile(r"auto|[124]K|[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")


def size(name: str, value: Any) -> str:
    """Read `auto`, WIDTHxHEIGHT in pixels, or one of the words 1K, 2K, 4K that some models know."""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    if not _SIZE.fullmatch(value):
        raise InvalidRequest(
            f"Invalid size '{show(value)}'. Expected WIDTHxHEIGHT, for example '1024x1024', or 'auto'.",
            code="invalid_value",
            param=name,
        )
    return value


_RATIO = re.compile(r"([1-9][0-9]{0,3})[:x]([1-9][0-9]{0,3})")


def ratio(name: str, value: Any) -> str:
    """Read an aspect ratio, as `16:9` or `16x9`; returned with a colon."""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    match = _RATIO.fullmatch(value)
    if not match:
        raise InvalidRequest(
            f"Invalid '{name}': '{show(value)}'. Expected WIDTH:HEIGHT, for example '16:9'.",
            code="invalid_value",
            param=name,
        )
    return f"{match[1]}:{match[2]}"

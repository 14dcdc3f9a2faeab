"""What `gateway check` finds, one line each."""

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """`ok`, a `warning`, or a `problem`, which fails the check; `told` says what to do about it."""

    level: Literal["ok", "warning", "problem"]
    about: str
    told: str


def ok(about: str, told: str) -> Finding:
    """Tell that something is as it should be."""
    return Finding("ok", about, told)


def warning(about: str, told: str) -> Finding:
    """Tell what an operator should know."""
    return Finding("warning", about, told)


def problem(about: str, told: str) -> Finding:
    """Tell what has to be mended."""
    return Finding("problem", about, told)

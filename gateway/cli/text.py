"""Text for people, JSON for programs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.store.objects import encode


def as_json(value: Any) -> str:
    """Write JSON for people and programs."""
    return msgspec.json.format(encode(value), indent=2).decode()


def as_page(facts: Mapping[str, str | None]) -> str:
    """Write a fact a line; those that are None are left out."""
    return "\n".join(f"{name:<12} {fact}" for name, fact in facts.items() if fact is not None)


def as_table(rows: Sequence[Sequence[str]], *, widest: Sequence[int] = (), width: int = 0) -> str:
    """Write rows, the head first, in columns as wide as need be.

    `widest` are the columns' widths at most, cut with an ellipsis; the last one then ends at `width`.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if widest:
        widths = [min(wide, most) for wide, most in zip(widths, widest, strict=False)]
        widths.append(width - sum(widths) - 2 * len(widths))
    return "\n".join(
        "  ".join(_cut(cell, wide).ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def moment(unix_s: int) -> str:
    """Write a time to the minute."""
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"


def day(unix_s: int | None, otherwise: str) -> str:
    """Write a UTC day."""
    return moment(unix_s)[:10] if unix_s is not None else otherwise


def examples(*commands: str) -> str:
    """Write commands as the end of a help page."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"

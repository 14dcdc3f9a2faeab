"""API keys as text: a table, a page, a JSON object."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.store.key_record import CreatedKey, KeyRecord

WIDTH = 100  # columns


def as_object(key: KeyRecord, now: float) -> dict[str, Any]:
    """Tell all of a key, its state at `now` and, of a new one, `key`: the secret. Times are unix seconds."""
    told = msgspec.structs.asdict(key)
    secret = {"key": told.pop("secret")} if isinstance(key, CreatedKey) else {}
    return {**secret, **told, "state": key.state(now)}


def as_json(value: Any) -> str:
    """Write JSON for people and programs."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def page(key: KeyRecord, now: float) -> str:
    """Write one key in full, a fact a line."""
    facts = {
        "id": key.id,
        "team": key.team,
        "name": key.name or "-",
        "state": key.state(now),
        "created": moment(key.created),
        "expires": moment(key.expires) if key.expires else "never",
        "revoked": moment(key.revoked) if key.revoked else None,
        "replaced by": key.replaced_by,
        "models": ", ".join(key.models) or "all",
        "cache": "off" if key.no_cache else "on",
    }
    return "\n".join(f"{name:<12} {fact}" for name, fact in facts.items() if fact is not None)


def table(keys: Sequence[KeyRecord], now: float) -> str:
    """Write a line for each key, at most WIDTH columns wide; long names are cut, ids never."""
    head = ("ID", "TEAM", "NAME", "STATE", "CREATED", "EXPIRES", "MODELS")
    rows = [head, *(_row(key, now) for key in keys)]
    widths = [min(max(len(row[column]) for row in rows), 20) for column in range(len(head) - 1)]
    widths.append(WIDTH - sum(widths) - 2 * len(widths))
    return "\n".join(
        "  ".join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def moment(unix_s: int) -> str:
    """Write a time to the minute."""
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"


def _row(key: KeyRecord, now: float) -> tuple[str, ...]:
    expires = moment(key.expires)[:10] if key.expires else "never"
    models = ",".join(key.models) or "all"
    return (key.id, key.team, key.name or "-", key.state(now), moment(key.created)[:10], expires, models)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"

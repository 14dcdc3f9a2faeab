"""API keys as text: a table, or a page."""

from collections.abc import Sequence

from gateway.cli import limit_text
from gateway.cli.text import as_page, as_table, day, moment
from gateway.store.key_record import KeyRecord

WIDTH = 100  # columns
_HEAD = ("ID", "TEAM", "NAME", "STATE", "EXPIRES", "LAST USE", "LIMITS", "MODELS")
_WIDEST = (12, 10, 10, 7, 10, 10, 21)


def page(key: KeyRecord, now: float) -> str:
    """Write one key in full, a fact a line."""
    return as_page(
        {
            "id": key.id,
            "team": key.team,
            "name": key.name or "-",
            "state": key.state(now),
            "created": moment(key.created),
            "expires": moment(key.expires) if key.expires else "never",
            "revoked": moment(key.revoked) if key.revoked else None,
            "replaced by": key.replaced_by,
            "last use": moment(key.used) if key.used else "never",
            "models": ", ".join(key.models) or "all",
            "cache": _cache(key),
            **limit_text.facts(key.limits),
        }
    )


def table(keys: Sequence[KeyRecord], now: float) -> str:
    """Write a line for each key, at most WIDTH columns wide; long names are cut, ids never, models are counted."""
    return as_table([_HEAD, *(_row(key, now) for key in keys)], widest=_WIDEST, width=WIDTH)


def _row(key: KeyRecord, now: float) -> tuple[str, ...]:
    ends, used = day(key.expires, "never"), day(key.used, "never")
    models = str(len(key.models)) if key.models else "all"
    return (key.id, key.team, key.name or "-", key.state(now), ends, used, limit_text.short(key.limits), models)


def _cache(key: KeyRecord) -> str:
    if key.no_cache or key.cache_ttl_s == 0:
        return "off"
    return "on" if key.cache_ttl_s is None else f"for {key.cache_ttl_s} s"

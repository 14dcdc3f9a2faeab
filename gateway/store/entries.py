"""The stream of settlements, `{<team>}:usage`: what became of each generation, in the order in which that was told."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from gateway.store.connection import Client
from gateway.store.hashes import paired, text

SETTLED = ("generations", "images", "unknown", "failures", "cost", "spare")
"""What an entry moves, and the counters of its day with it."""

_PAGE = 1000  # entries


class Entry(msgspec.Struct, frozen=True):
    """By how much one event moved the books. `at` is in unix ms, `cost` and `spare` are micro-dollars.

    A generation is `settled` once, at its end; `late` is a picture that came after its outcome was given up as
    unknown, `resolved` what an operator (`by`, with a `note`) found on upstream's bill. `day` is the UTC day
    (YYYYMMDD) of its request, to which all of them are counted.
    """

    entry: str
    kind: Literal["settled", "late", "resolved"]
    team: str
    id: str
    key: str
    model: str
    user: str
    day: str
    at: int
    generations: int
    images: int
    unknown: int
    failures: int
    cost: int
    spare: int
    by: str
    note: str


async def forward(redis: Client, team: str, first: str = "-", last: str = "+") -> AsyncIterator[Entry]:
    """Give the entries from `first` to `last`, oldest first."""
    while True:
        page = await redis.xrange(_stream(team), first, last, count=_PAGE)
        for entry in read(team, page or ()):
            yield entry
        if not page or len(page) < _PAGE:
            return
        first = f"({text(page[-1][0])}"


async def newest(redis: Client, team: str, count: int) -> list[Entry]:
    """Give the last `count` entries, newest first."""
    return read(team, await redis.xrevrange(_stream(team), count=count) or ())


def read(team: str, page: Sequence[Any]) -> list[Entry]:
    """Read entries as a command of Redis or a script gives them."""
    return [_entry(team, text(name), _fields(fields)) for name, fields in page]


def _stream(team: str) -> str:
    return f"{{{team}}}:usage"


def _fields(fields: Any) -> dict[str, str]:
    return paired(fields) if isinstance(fields, list) else {text(k): text(v) for k, v in fields.items()}


def _entry(team: str, name: str, held: Mapping[str, str]) -> Entry:
    moved = {what: int(held.get(what, "0")) for what in SETTLED}
    return Entry(
        entry=name,
        kind="resolved" if "resolved_by" in held else "late" if "late" in held else "settled",
        team=team,
        id=held["id"],
        key=held["key"],
        model=held["model"],
        user=held.get("user", ""),
        day=held["day"],
        at=int(name.partition("-")[0]),
        **moved,
        by=held.get("resolved_by", ""),
        note=held.get("note", ""),
    )

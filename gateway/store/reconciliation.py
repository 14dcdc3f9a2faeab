"""The proof of the books: counters against the stream, windows against what is under way."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from gateway.store.connection import Client, redis_needed
from gateway.store.entries import SETTLED, Entry, forward, read
from gateway.store.hashes import paired, text
from gateway.store.key_record import check_team
from gateway.store.scripts import Scripts
from gateway.store.usage import split

_Sums = defaultdict[str, defaultdict[tuple[str, str, str], int]]


class Difference(msgspec.Struct, frozen=True):
    """Two books that disagree: Redis holds `held` under `name`, but `proved` is right. Money is micro-dollars."""

    team: str
    name: str
    held: int
    proved: int

    def __str__(self) -> str:
        return f"team {self.team}: {self.name} is {self.held}, and should be {self.proved}"


class Proof(msgspec.Struct, frozen=True):
    """What was compared: the days from `since` to `until` (None where no day's entries are all there), and windows."""

    team: str
    since: date | None
    until: date
    differences: tuple[Difference, ...]


class Reconciliation:
    """Adds the stream up again and compares; `retention_days` is for how many days counters are kept.

    It is exact while the gateway works: each day's counters are compared with the stream of the same moment.
    """

    def __init__(self, redis: Client, scripts: Scripts, *, retention_days: int) -> None:
        self._redis = redis
        self._scripts = scripts
        self._retention_days = retention_days

    async def prove(self, team: str, now: float) -> Proof:
        """Compare the books of a team at `now` (unix seconds); raises InvalidRequest and Unavailable."""
        check_team(team)
        today = datetime.fromtimestamp(now, UTC).date()
        with redis_needed():
            since = await self._covered(team, today)
            differences = await self._counters(team, since, today) if since else []
            differences += await self._windows(team, now)
        return Proof(team, since, today, tuple(differences))

    async def _covered(self, team: str, today: date) -> date | None:
        """Find the first day whose entries are all there: trimming takes the oldest first, and counts nothing."""
        oldest = today - timedelta(days=self._retention_days)
        if not await self._redis.exists(f"{{{team}}}:usage"):
            return oldest
        about = {text(k): v for k, v in (await self._redis.xinfo_stream(f"{{{team}}}:usage")).items()}
        if about["entries-added"] == about["length"]:
            return oldest
        first_ms = int(text(about["recorded-first-entry-id"]).partition("-")[0])
        after = datetime.fromtimestamp(first_ms / 1000, UTC).date() + timedelta(days=1)
        return max(oldest, after) if after <= today else None

    async def _counters(self, team: str, since: date, today: date) -> list[Difference]:
        sums: _Sums = defaultdict(lambda: defaultdict(int))
        last = "0-0"
        async for entry in forward(self._redis, team):
            _add(sums, entry)
            last = entry.entry
        differences: list[Difference] = []
        for back in range((today - since).days + 1):
            day = f"{today - timedelta(days=back):%Y%m%d}"
            flat, added = await self._run("audit", team, "", day, last)
            for entry in read(team, added or ()):
                _add(sums, entry)
                last = entry.entry
            differences += _compare(team, day, paired(flat), sums[day])
        return differences

    async def _windows(self, team: str, now: float) -> list[Difference]:
        reply = await self._run("reserved", team, int(now * 1000))
        found = msgspec.json.decode(reply, type=list[tuple[str, str, int, int]])
        return [
            Difference(team, f"{window} {scope}:reserved", held, proved)
            for window, scope, held, proved in sorted(found)
        ]

    async def _run(self, name: str, team: str, *args: str | int) -> Any:
        return await self._scripts.run(name, f"{{{team}}}:team", *args)


def _add(sums: _Sums, entry: Entry) -> None:
    for what in SETTLED:
        sums[entry.day][(entry.key, entry.model, what)] += getattr(entry, what)


def _compare(
    team: str, day: str, counters: Mapping[str, str], sums: Mapping[tuple[str, str, str], int]
) -> list[Difference]:
    held = {(key, model, what): value for key, model, what, value in split(counters) if what in SETTLED}
    return [
        Difference(team, f"usage:{day} {'|'.join(name)}", held.get(name, 0), sums.get(name, 0))
        for name in sorted({*held, *sums})
        if held.get(name, 0) != sums.get(name, 0)
    ]

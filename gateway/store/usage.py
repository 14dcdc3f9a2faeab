"""What was used: totals over days, from the counters that every request moves.

{<team>}:usage:<YYYYMMDD>   hash `<key>|<model>|<what>` -> count, or micro-dollars
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import islice
from typing import Literal, NamedTuple

import msgspec

from gateway.errors import InvalidRequest
from gateway.store.connection import Client, redis_needed
from gateway.store.hashes import decoded, text
from gateway.store.key_record import check_team

Grouping = Literal["day", "model", "key", "team"]

_MOST_DAYS = 3660
_AT_ONCE = 200  # hashes fetched in one round trip


class Totals(msgspec.Struct, frozen=True):
    """What was used. `cost` and `spare` are micro-dollars, the latter paid for more images than were asked for.

    `requests` were admitted, and got a generation of their own, a hit of the cache, or joined another request;
    `denied` is those that a limit refused. Of `generations`, `failures` made no image; `unknown` counts images that
    may have been made and charged, but never arrived; `recovered` counts generations delivered by another worker than
    began them (killed, stopped or told to stop).
    """

    requests: int = 0
    generations: int = 0
    images: int = 0
    hits: int = 0
    joins: int = 0
    failures: int = 0
    unknown: int = 0
    denied: int = 0
    recovered: int = 0
    cost: int = 0
    spare: int = 0


class Line(msgspec.Struct, frozen=True):
    """The totals of one day (YYYY-MM-DD), model, key or team."""

    name: str
    totals: Totals


class Report(msgspec.Struct, frozen=True):
    """Lines in the order of their names, and the sum of all."""

    since: date
    until: date
    by: Grouping
    lines: tuple[Line, ...]
    total: Totals


class _Counted(NamedTuple):
    team: str
    day: date
    counters: Mapping[str, str]


class UsageReports:
    """Every method raises Unavailable while Redis does not answer."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def report(self, since: date, until: date, *, by: Grouping = "day", team: str | None = None) -> Report:
        """Add up the UTC days from `since` to `until`, both included, of a team or of all; raises InvalidRequest."""
        days = _days(since, until)
        if team is not None:
            check_team(team)
        sums: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        with redis_needed():
            teams = [team] if team else sorted(text(name) for name in await self._redis.smembers("teams"))
            async for counted in self._counters(teams, days):
                for key, model, what, value in split(counted.counters):
                    name = {"day": counted.day.isoformat(), "model": model, "key": key, "team": counted.team}[by]
                    sums[name][what] += value
        lines = tuple(Line(name, _totals(sums[name])) for name in sorted(sums))
        return Report(since, until, by, lines, _sum(line.totals for line in lines))

    async def _counters(self, teams: Iterable[str], days: Iterable[date]) -> AsyncIterator[_Counted]:
        wanted = ((team, day) for team in teams for day in days)
        for some in _some(wanted):
            async with self._redis.pipeline(transaction=False) as pipe:
                for team, day in some:
                    pipe.hgetall(f"{{{team}}}:usage:{day:%Y%m%d}")
                found = await pipe.execute()
            for (team, day), held in zip(some, found, strict=True):
                yield _Counted(team, day, decoded(held))


def split(counters: Mapping[str, str]) -> Iterator[tuple[str, str, str, int]]:
    """Take a day's hash apart: key, model, what is counted, and how much of it."""
    for field, value in counters.items():
        key, _, rest = field.partition("|")
        model, _, what = rest.rpartition("|")
        yield key, model, what, int(value)


def _days(since: date, until: date) -> list[date]:
    count = (until - since).days + 1
    if not 1 <= count <= _MOST_DAYS:
        raise InvalidRequest(
            f"From {since} until {until} are {count} days: from 1 to {_MOST_DAYS} are possible.", param="since"
        )
    return [since + timedelta(days=index) for index in range(count)]


def _totals(sums: Mapping[str, int]) -> Totals:
    return Totals(**{what: sums.get(what, 0) for what in Totals.__struct_fields__})


def _sum(all_totals: Iterable[Totals]) -> Totals:
    sums: defaultdict[str, int] = defaultdict(int)
    for totals in all_totals:
        for what, value in msgspec.structs.asdict(totals).items():
            sums[what] += value
    return _totals(sums)


def _some(wanted: Iterator[tuple[str, date]]) -> Iterator[list[tuple[str, date]]]:
    while some := list(islice(wanted, _AT_ONCE)):
        yield some

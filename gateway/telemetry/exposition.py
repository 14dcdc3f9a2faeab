"""What a scrape gets: the counts of all workers, and how Redis stands at that moment."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.telemetry import declarations as d
from gateway.telemetry.labels import OTHER
from gateway.telemetry.standing import Standing, TeamStanding, nearest_their_limit

_MICRO = 1_000_000


class Exposition:
    """Renders `counted`, made anew for each scrape, and what `read` tells of Redis, or None while that is away.

    At most `most_teams` teams are told apart, those nearest their budget; the rest are `other`.
    """

    def __init__(
        self,
        counted: Callable[[], CollectorRegistry],
        read: Callable[[], Awaitable[Standing | None]],
        *,
        most_teams: int,
    ) -> None:
        self._counted = counted
        self._read = read
        self._most_teams = most_teams

    async def render(self) -> tuple[bytes, str]:
        """Render the exposition; returns it and its content type."""
        standing = await self._read()
        # Some thousand series take tens of milliseconds, for which no request should have to wait.
        return await asyncio.to_thread(self._render, standing), CONTENT_TYPE_LATEST

    def _render(self, standing: Standing | None) -> bytes:
        stood = CollectorRegistry()
        stood.register(_Stood(standing, self._most_teams))
        return generate_latest(self._counted()) + generate_latest(stood)


class _Stood(Collector):
    def __init__(self, standing: Standing | None, most_teams: int) -> None:
        self._standing = standing
        self._most_teams = most_teams

    def collect(self) -> Iterable[Metric]:
        yield _family(d.BUILD, [((__version__,), 1)])
        yield _family(d.REDIS_UP, [((), self._standing is not None)])
        if self._standing is not None:
            yield from self._told(self._standing)

    def _told(self, standing: Standing) -> Iterator[Metric]:
        yield _family(d.RESERVATIONS_OPEN, [((), standing.open)])
        yield _family(d.RESERVATIONS_OVERDUE, [((), standing.overdue)])
        yield _family(d.UNRESOLVED, [((), standing.unresolved)])
        if standing.budget is not None:
            yield _family(d.BUDGET, [((), standing.budget / _MICRO)])
            yield _family(d.BUDGET_USED, [((), standing.used / _MICRO)])
        named, rest = nearest_their_limit(standing.teams, self._most_teams)
        yield from _of_teams(named, rest)
        if standing.blobs is not None:
            yield _family(d.EVICTIONS, [((), standing.blobs.evicted)])
            yield _family(d.BLOB_MEMORY, [((), standing.blobs.used)])
            yield _family(d.BLOB_LIMIT, [((), standing.blobs.limit)])


def _of_teams(named: list[TeamStanding], rest: list[TeamStanding]) -> Iterator[Metric]:
    limited = [team for team in named if team.budget is not None]
    yield _family(d.TEAM_BUDGET, [((team.team,), (team.budget or 0) / _MICRO) for team in limited])
    yield _family(d.TEAM_LEFT, [((team.team,), team.left / _MICRO) for team in limited])
    others = [((OTHER,), sum(team.used for team in rest) / _MICRO)] if rest else []
    yield _family(d.TEAM_USED, [*[((team.team,), team.used / _MICRO) for team in named], *others])


def _family(declared: d.Declared, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    kind = CounterMetricFamily if declared.kind == "counter" else GaugeMetricFamily
    family = kind(declared.name, declared.what, labels=declared.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family

"""How teams and the books stand, read for a scrape: some commands for each team, many teams in one round trip."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from gateway.errors import Unavailable
from gateway.store.brakes import Brakes
from gateway.store.clock import redis_now
from gateway.store.connection import Client, RedisTrouble
from gateway.store.hashes import text
from gateway.telemetry.standing import BlobStanding, Standing, TeamStanding

_TEAMS_AT_ONCE = 200
_FRESH_S = 1.0


class StandingReader:
    """Reads at most once a second, however often it is asked.

    `clock` gives monotonic seconds, `now` unix ones in place of Redis's own clock, for tests.
    """

    def __init__(
        self,
        state: Client,
        blobs: Client,
        brakes: Brakes,
        *,
        clock: Callable[[], float],
        now: Callable[[], float] | None = None,
    ) -> None:
        self._state = state
        self._blobs = blobs
        self._brakes = brakes
        self._now = now
        self._clock = clock
        self._turn = asyncio.Lock()
        self._read_at = float("-inf")
        self._last: Standing | None = None

    async def read(self) -> Standing | None:
        """Tell how all stand; None while Redis does not answer."""
        async with self._turn:
            if self._clock() - self._read_at >= _FRESH_S:
                try:
                    self._last = await self._read()
                except (Unavailable, *RedisTrouble):
                    self._last = None
                self._read_at = self._clock()
            return self._last

    async def _read(self) -> Standing:
        now = await redis_now(self._state) if self._now is None else self._now()
        names = sorted(text(name) for name in await self._state.smembers("teams"))
        teams: list[TeamStanding] = []
        under_way = overdue = unresolved = 0
        for first in range(0, len(names), _TEAMS_AT_ONCE):
            some = names[first : first + _TEAMS_AT_ONCE]
            replies = await self._ask(some, now)
            for index, name in enumerate(some):
                budget, (used, reserved), *counted = replies[index * 5 : index * 5 + 5]
                teams.append(TeamStanding(name, int(budget) if budget else None, int(used or 0), int(reserved or 0)))
                under_way += counted[0]
                overdue += counted[1]
                unresolved += counted[2]
        set_budget = (await self._brakes.read()).budget
        spent = 0 if set_budget is None else (await self._brakes.spent()).used
        return Standing(teams, under_way, overdue, unresolved, set_budget, spent, await self._blobs_standing())

    async def _ask(self, teams: list[str], now: float) -> list[Any]:
        month = f"{datetime.fromtimestamp(now, UTC):%Y%m}"
        async with self._state.pipeline(transaction=False) as pipe:
            for team in teams:
                pipe.hget(f"{{{team}}}:team", "budget_per_month")
                pipe.hmget(f"{{{team}}}:month:{month}", ["team:used", "team:reserved"])
                pipe.zcard(f"{{{team}}}:due")
                pipe.zcount(f"{{{team}}}:due", "-inf", int(now * 1000))
                pipe.zcard(f"{{{team}}}:unresolved")
            return await pipe.execute()

    async def _blobs_standing(self) -> BlobStanding | None:
        """Look at the blobs server, or all primaries of its cluster; None where it does not answer."""
        try:
            if isinstance(self._blobs, Redis):
                infos = [await self._blobs.info()]
            else:
                told = await self._blobs.info(target_nodes=RedisCluster.PRIMARIES)
                infos = list(told.values()) if "used_memory" not in told else [told]
        except RedisTrouble:
            return None
        evicted, used, limit = (
            sum(int(info.get(name, 0)) for info in infos) for name in ("evicted_keys", "used_memory", "maxmemory")
        )
        return BlobStanding(evicted, used, limit)

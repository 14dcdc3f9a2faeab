"""How far teams and their keys are into their limits: what today and this month hold, and what is under way.

{<team>}:day:<YYYYMMDD>, {<team>}:month:<YYYYMM>  hashes `<scope>:used`, `<scope>:reserved`; a scope is team or key:<id>
{<team>}:due, {<team>}:due:<key>                  sorted sets of generations under way, by the end of their lease
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from gateway.store.connection import Client, redis_needed
from gateway.store.hashes import decoded, text
from gateway.store.key_record import check_team


class Consumption(msgspec.Struct, frozen=True):
    """What counts against the limits of a key, or of a whole team where `key` is None.

    Images are those of the UTC day, `cost` those of the UTC month in micro-dollars; what is reserved is in both.
    """

    team: str
    key: str | None
    images: int
    cost: int
    under_way: int


class ConsumptionReader:
    """Raises Unavailable while Redis does not answer. `clock` gives unix seconds."""

    def __init__(self, redis: Client, *, clock: Callable[[], float]) -> None:
        self._redis = redis
        self._clock = clock

    async def read(self, team: str | None = None) -> list[Consumption]:
        """List each team, and behind it those of its keys that were used this month. Raises InvalidRequest."""
        if team is not None:
            check_team(team)
        with redis_needed():
            teams = [team] if team else sorted(text(name) for name in await self._redis.smembers("teams"))
            return [one for name in teams for one in await self._of(name)]

    async def _of(self, team: str) -> list[Consumption]:
        now = self._clock()
        today = datetime.fromtimestamp(now, UTC)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(f"{{{team}}}:day:{today:%Y%m%d}")
            pipe.hgetall(f"{{{team}}}:month:{today:%Y%m}")
            day, month = [decoded(held) for held in await pipe.execute()]
        keys = {field.rpartition(":")[0] for field in (*day, *month)} - {"team"}
        scopes = ["team", *sorted(keys)]
        async with self._redis.pipeline(transaction=False) as pipe:
            for scope in scopes:
                suffix = "" if scope == "team" else scope.removeprefix("key")
                pipe.zcount(f"{{{team}}}:due{suffix}", int(now * 1000), "+inf")
            under_way = await pipe.execute()
        return [
            Consumption(team, scope.partition(":")[2] or None, _held(day, scope), _held(month, scope), int(count))
            for scope, count in zip(scopes, under_way, strict=True)
        ]


def _held(window: Mapping[str, str], scope: str) -> int:
    return int(window.get(f"{scope}:used", "0")) + int(window.get(f"{scope}:reserved", "0"))

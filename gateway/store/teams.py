"""Teams in Redis: which there are, and what each may do.

teams         set of the teams that ever had a key or were set
{<team>}:team  hash {created} and the limits, which every request of the team's keys is held to
"""

import time
from collections.abc import Callable, Mapping

import msgspec

from gateway.errors import NotFound
from gateway.store.connection import Client, redis_needed
from gateway.store.hashes import decoded, flat, text
from gateway.store.key_record import check_team
from gateway.store.limits import Limits, check_limits, limit_fields, limits_in

_SET = """
redis.call('HSETNX', KEYS[1], 'created', ARGV[1])
if ARGV[2] then redis.call('HSET', KEYS[1], unpack(ARGV, 2)) end
"""


class TeamRecord(msgspec.Struct, frozen=True):
    """A team; `created` is in unix seconds, None where nobody wrote it down."""

    team: str
    created: int | None
    limits: Limits


class Teams:
    """Makes, lists and limits teams. Every method raises Unavailable while Redis does not answer.

    `clock` gives unix seconds.
    """

    def __init__(
        self,
        redis: Client,
        *,
        clock: Callable[[], float] = time.time,  # noqa: TID251  this is where a clock is passed in
    ) -> None:
        self._redis = redis
        self._clock = clock

    async def set(self, team: str, changes: Mapping[str, int | None]) -> TeamRecord:
        """Make a team if need be and change the given limits, by their inside names; None lifts one.

        It holds at once, for every worker. Raises InvalidRequest.
        """
        check_team(team)
        check_limits(changes)
        with redis_needed():
            await self._redis.sadd("teams", team)
            fields = flat(limit_fields(changes))
            await self._redis.eval(_SET, 1, _key(team), str(int(self._clock())), *fields)
            return await self._read(team)

    async def list(self) -> tuple[TeamRecord, ...]:
        """List the teams by name."""
        with redis_needed():
            names = sorted(text(name) for name in await self._redis.smembers("teams"))
            return tuple([await self._read(name) for name in names])

    async def show(self, team: str) -> TeamRecord:
        """Look one team up. Raises NotFound and InvalidRequest."""
        check_team(team)
        with redis_needed():
            if not await self._redis.sismember("teams", team):
                raise NotFound(f"There is no team {team!r}: `gateway teams list` shows them all.", param="team")
            return await self._read(team)

    async def _read(self, team: str) -> TeamRecord:
        held = decoded(await self._redis.hgetall(_key(team)))
        return TeamRecord(team, int(held["created"]) if held.get("created") else None, limits_in(held))


def _key(team: str) -> str:
    return f"{{{team}}}:team"

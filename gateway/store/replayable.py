"""What the cache holds for replay, by generation: the pictures that may still be looked at.

{<team>}:cached      sorted set of fingerprints by the end of their entry (unix ms)
{<team>}:cache:<fp>  hash {gen, at, model, results}: `results` is opaque here
"""

import re

import msgspec

from gateway.store.connection import Client, redis_needed
from gateway.store.hashes import text
from gateway.store.key_record import check_team

_FINGERPRINT = re.compile(r"\w{1,128}", re.ASCII)


class Replayable(msgspec.Struct, frozen=True):
    """A generation whose pictures the cache still has, and the fingerprint that they are kept under."""

    team: str
    generation: str
    fingerprint: str


class ReplayableResults:
    """Every method raises Unavailable while Redis does not answer."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def newest(self, team: str | None, count: int) -> list[Replayable]:
        """List up to `count` of a team's entries, or of each team's, the latest to end first. Raises InvalidRequest."""
        if team is not None:
            check_team(team)
        with redis_needed():
            teams = [team] if team else sorted(text(name) for name in await self._redis.smembers("teams"))
            return [entry for name in teams for entry in await self._of(name, count)]

    async def results(self, team: str, fingerprint: str) -> str | None:
        """Give the record of an entry's pictures; None where there is none, or no more."""
        check_team(team)
        if _FINGERPRINT.fullmatch(fingerprint) is None:
            return None
        with redis_needed():
            held = await self._redis.hget(f"{{{team}}}:cache:{fingerprint}", "results")
        return None if held is None else text(held)

    async def _of(self, team: str, count: int) -> list[Replayable]:
        fingerprints = [text(name) for name in await self._redis.zrevrange(f"{{{team}}}:cached", 0, count - 1)]
        if not fingerprints:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for fingerprint in fingerprints:
                pipe.hget(f"{{{team}}}:cache:{fingerprint}", "gen")
            generations = await pipe.execute()
        return [
            Replayable(team, text(generation), fingerprint)
            for fingerprint, generation in zip(fingerprints, generations, strict=True)
            if generation is not None
        ]

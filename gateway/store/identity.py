"""Whose a presented key is: the part of a key that never changes, `key:<id>`, and so may be remembered."""

from collections.abc import Callable

import msgspec

from gateway.errors import GatewayError, Unauthenticated
from gateway.store import apikey
from gateway.store.connection import Client, redis_needed
from gateway.store.hashes import decoded
from gateway.store.recent import Recent


class Identity(msgspec.Struct, frozen=True):
    """The key that was presented, and the team it belongs to; whether it still counts is another question."""

    key_id: str
    team: str


class _Held(msgspec.Struct, frozen=True):
    team: str
    sha256: bytes


class Identities:
    """Looks keys up by their id, and remembers them, known and unknown ones, in bounded number.

    Times are seconds of `clock`. Methods raise Unavailable while Redis does not answer and what it holds is not
    remembered.
    """

    def __init__(
        self,
        redis: Client,
        *,
        clock: Callable[[], float],
        known_s: float,
        known_size: int,
        unknown_s: float,
        unknown_size: int,
    ) -> None:
        self._redis = redis
        self._known = Recent[_Held](known_size, known_s, clock)
        self._unknown = Recent[str](unknown_size, unknown_s, clock)

    async def identify(self, presented: str) -> Identity:
        """Check the secret of a presented key. Raises Unauthenticated in OpenAI's words (empty: no key was given)."""
        if not presented:
            raise _nothing_presented()
        key_id = apikey.id_in(presented)
        held = await self._find(key_id) if key_id else None
        if key_id is None or held is None or not apikey.matches(presented, held.sha256):
            raise incorrect(presented)
        return Identity(key_id, held.team)

    async def team_of(self, key_id: str) -> str | None:
        """Tell whose key that is; None if there never was one."""
        held = await self._find(key_id)
        return held.team if held else None

    async def _find(self, key_id: str) -> _Held | None:
        if self._unknown.get(key_id):
            return None
        known = self._known.get(key_id)
        if known is not None:
            return known
        with redis_needed():
            fields = await self._redis.hgetall(f"key:{key_id}")
        if not fields:
            self._unknown.put(key_id, key_id)
            return None
        held = decoded(fields)
        found = _Held(held["team"], bytes.fromhex(held["sha256"]))
        self._known.put(key_id, found)
        return found


def incorrect(presented: str, because: str = "") -> Unauthenticated:
    """Make the refusal of a key; it repeats no more of it than `apikey.masked` shows."""
    return Unauthenticated(
        f"Incorrect API key provided: {apikey.masked(presented)}. {because}Ask the operator of this gateway for a key."
    )


def _nothing_presented() -> GatewayError:
    error: GatewayError = Unauthenticated(
        "You didn't provide an API key. You need to provide your API key in an Authorization header "
        "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
    )
    error.code = None  # what OpenAI sends for a missing key
    return error

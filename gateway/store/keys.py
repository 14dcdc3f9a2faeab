"""API keys in Redis: who holds one, what it may do, and whether it still counts.

key:<id>           hash {team, sha256}: immutable, so that it may be cached
{<team>}:key:<id>  hash {name, created, expires, revoked, replaced_by, prefix, models, no_cache}:
                   what may change, read on each use
{<team>}:keys      sorted set of ids by creation time
teams              set of the teams that ever had a key

What must change together is in one slot and changes in one script, which a cluster can run as well.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import msgspec
from redis.typing import EncodableT, FieldT

from gateway.errors import GatewayError, InvalidRequest, NotFound, Unauthenticated
from gateway.store import apikey
from gateway.store.connection import Client, redis_needed
from gateway.store.key_record import CreatedKey, KeyRecord, check, check_replaceable, check_team, from_hash
from gateway.store.recent import Recent

_STORE = """
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], unpack(ARGV, 4, 3 + ARGV[3]))
if KEYS[3] then redis.call('HSET', KEYS[3], unpack(ARGV, 4 + ARGV[3])) end
"""
_LIST = """
local found = {}
for i, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  found[i] = {id, redis.call('HGETALL', ARGV[1] .. id)}
end
return found
"""


class Principal(msgspec.Struct, frozen=True):
    """Who is asking, and what they may do. No `models` means all of them."""

    key_id: str
    team: str
    name: str
    models: tuple[str, ...]
    no_cache: bool


class Identity(msgspec.Struct, frozen=True):
    key_id: str
    team: str
    sha256: bytes


class Keys:
    """Makes, lists, changes and checks API keys.

    Every method raises Unavailable while Redis does not answer. `clock` gives unix seconds. A known key's
    identity is remembered for `known_s` seconds and an unknown id for `unknown_s`, each in bounded number.
    """

    def __init__(
        self,
        redis: Client,
        *,
        clock: Callable[[], float] = time.time,  # noqa: TID251  this is where a clock is passed in
        known_s: float = 300,
        known_size: int = 10_000,
        unknown_s: float = 5,
        unknown_size: int = 10_000,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._known = Recent[Identity](known_size, known_s, clock)
        self._unknown = Recent[str](unknown_size, unknown_s, clock)

    async def identify(self, presented: str) -> Identity:
        if not presented:
            raise _nothing_presented()
        key_id = apikey.id_in(presented)
        identity = await self._identity(key_id) if key_id else None
        if key_id is None or identity is None or not apikey.matches(presented, identity.sha256):
            raise _incorrect(presented)
        return identity

    async def teams(self) -> list[str]:
        return sorted(_text(name) for name in await self._redis.smembers("teams"))

    async def authenticate(self, presented: str) -> Principal:
        """Check a presented key. Raises Unauthenticated in OpenAI's words (empty: no key was given)."""
        if not presented:
            raise _nothing_presented()
        key_id = apikey.id_in(presented)
        identity = await self._identity(key_id) if key_id else None
        if key_id is None or identity is None or not apikey.matches(presented, identity.sha256):
            raise _incorrect(presented)
        record = await self._record(key_id, identity.team)
        if record is None:
            raise _incorrect(presented)
        if record.revoked is not None:
            raise _incorrect(presented, f"This key was revoked on {_when(record.revoked)}. ")
        if record.expires is not None and self._clock() >= record.expires:
            raise _incorrect(presented, f"This key expired on {_when(record.expires)}. ")
        return Principal(key_id, record.team, record.name, record.models, record.no_cache)

    async def create(
        self,
        team: str,
        name: str = "",
        expires_s: float | None = None,
        models: Iterable[str] = (),
        *,
        no_cache: bool = False,
    ) -> CreatedKey:
        """Make a key that lives `expires_s` seconds (None: for ever) and may use `models` (none: all).

        Raises InvalidRequest.
        """
        models = tuple(dict.fromkeys(models))
        check(team, name, expires_s, models)
        rights = {"name": name, "models": ",".join(models), "no_cache": "1" if no_cache else ""}
        return await self._store(team, rights, expires_s)

    async def list(self, team: str | None = None) -> tuple[KeyRecord, ...]:
        """List the keys of a team, or of all teams by name; oldest first. Raises InvalidRequest."""
        if team is not None:
            check_team(team)
        with redis_needed():
            teams = [team] if team else sorted(_text(name) for name in await self._redis.smembers("teams"))
            return tuple([record for name in teams for record in await self._of_team(name)])

    async def show(self, key_id: str) -> KeyRecord:
        """Look one key up. Raises NotFound."""
        identity = await self._identity(key_id)
        record = await self._record(key_id, identity.team) if identity else None
        if record is None:
            raise NotFound(f"There is no key {key_id!r}: `gateway keys list` shows them all.", param="id")
        return record

    async def revoke(self, key_id: str) -> KeyRecord:
        """End a key at once, for every worker. Revoking it again keeps the first time. Raises NotFound."""
        record = await self.show(key_id)
        if record.revoked is not None:
            return record
        with redis_needed():
            await self._redis.hset(_key(record.team, key_id), "revoked", str(int(self._clock())))
        return await self.show(key_id)

    async def rotate(self, key_id: str, grace_s: float = 0) -> CreatedKey:
        """Replace an active key by a new one of the same rights and length of life.

        The old key counts for `grace_s` more seconds, but no longer than before (0: it is revoked at once).
        Raises NotFound, and InvalidRequest if the key is no longer active or was replaced before.
        """
        old = await self.show(key_id)
        now = int(self._clock())
        check_replaceable(old, now)
        if grace_s < 0:
            raise InvalidRequest(f"A grace of {grace_s:g} seconds: it must not be negative.", param="grace")
        ends = min(now + int(grace_s), old.expires or now + int(grace_s))
        retired = {"expires": str(ends)} if grace_s else {"revoked": str(now)}
        life_s = old.expires - old.created if old.expires else None
        rights = await self._fields(key_id, old.team)
        return await self._store(old.team, rights, life_s, replaces=(key_id, retired))

    async def _store(
        self,
        team: str,
        rights: Mapping[str, str],
        life_s: float | None,
        replaces: tuple[str, Mapping[str, str]] | None = None,
    ) -> CreatedKey:
        key_id, secret = apikey.mint()
        now = int(self._clock())
        expires = str(now + int(life_s)) if life_s else ""
        lot = {"created": str(now), "expires": expires, "revoked": "", "replaced_by": ""}
        fields = {**rights, **lot, "prefix": f"{apikey.PREFIX}{key_id}"}
        identity = {"team": team, "sha256": apikey.digest(secret).hex()}
        with redis_needed():
            # A crash after this write leaves an identity without rights, which opens nothing.
            await self._redis.hset(f"key:{key_id}", mapping=_hash(identity))
            await self._redis.sadd("teams", team)
            names, values = [f"{{{team}}}:keys", _key(team, key_id)], _flat(fields)
            count = len(values)
            if replaces:
                old_id, retired = replaces
                names.append(_key(team, old_id))
                values += _flat({**retired, "replaced_by": key_id})
            await self._redis.eval(_STORE, len(names), *names, key_id, str(now), str(count), *values)
        return CreatedKey(**msgspec.structs.asdict(from_hash(key_id, team, fields)), secret=secret)

    async def _of_team(self, team: str) -> Iterable[KeyRecord]:
        found = await self._redis.eval(_LIST, 1, f"{{{team}}}:keys", _key(team, ""))
        return [
            from_hash(_text(key_id), team, _decoded(dict(zip(flat[::2], flat[1::2], strict=True))))
            for key_id, flat in found
        ]

    async def _identity(self, key_id: str) -> Identity | None:
        if self._unknown.get(key_id):
            return None
        known = self._known.get(key_id)
        if known is not None:
            return known
        with redis_needed():
            held = _decoded(await self._redis.hgetall(f"key:{key_id}"))
        if not held:
            self._unknown.put(key_id, key_id)
            return None
        identity = Identity(key_id, held["team"], bytes.fromhex(held["sha256"]))
        self._known.put(key_id, identity)
        return identity

    async def _record(self, key_id: str, team: str) -> KeyRecord | None:
        held = await self._fields(key_id, team)
        return from_hash(key_id, team, held) if held else None

    async def _fields(self, key_id: str, team: str) -> dict[str, str]:
        with redis_needed():
            return _decoded(await self._redis.hgetall(_key(team, key_id)))


def _key(team: str, key_id: str) -> str:
    return f"{{{team}}}:key:{key_id}"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _hash(fields: Mapping[str, str]) -> dict[FieldT, EncodableT]:
    return dict(fields.items())


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [part for field in fields.items() for part in field]


def _decoded(held: Mapping[bytes | str, bytes | str]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in held.items()}


def _when(unix_s: int) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"


def _incorrect(presented: str, because: str = "") -> Unauthenticated:
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

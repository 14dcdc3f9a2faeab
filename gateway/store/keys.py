"""API keys in Redis: who holds one, what it may do, and whether it still counts.

key:<id>           hash {team, sha256}: immutable, so that it may be cached
{<team>}:key:<id>  hash {name, created, expires, revoked, replaced_by, prefix, models, no_cache, cache_ttl_s, used}
                   and the limits: what may change, read on each use
{<team>}:keys      sorted set of ids by creation time
{<team>}:team      hash of the team, made with its first key
teams              set of the teams that there are

What must change together is in one slot and changes in one script, which a cluster can run as well.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from gateway.errors import InvalidRequest, NotFound
from gateway.store import apikey
from gateway.store.connection import Client, redis_needed
from gateway.store.hashes import decoded, encodable, flat, paired, text
from gateway.store.identity import Identities, Identity, incorrect
from gateway.store.key_record import (
    CreatedKey,
    KeyChanges,
    KeyRecord,
    as_fields,
    check,
    check_grace,
    check_replaceable,
    check_team,
    from_hash,
)
from gateway.store.limits import NO_LIMITS, Limits, as_changes

_STORE = """
if KEYS[4] then
  if redis.call('HGET', KEYS[4], 'replaced_by') ~= '' or redis.call('HGET', KEYS[4], 'revoked') ~= '' then
    return false
  end
  redis.call('HSET', KEYS[2], unpack(redis.call('HGETALL', KEYS[4])))
  redis.call('HSET', KEYS[4], unpack(ARGV, 4 + ARGV[3]))
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], unpack(ARGV, 4, 3 + ARGV[3]))
redis.call('HSETNX', KEYS[3], 'created', ARGV[2])
return redis.call('HGETALL', KEYS[2])
"""
_CHANGE = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
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
        self._identities = Identities(
            redis,
            clock=clock,
            known_s=known_s,
            known_size=known_size,
            unknown_s=unknown_s,
            unknown_size=unknown_size,
        )

    async def identify(self, presented: str) -> Identity:
        """Check the secret of a presented key, but not whether it still counts, nor what it may do.

        A remembered key costs no round trip, and is known even while Redis is away. Raises Unauthenticated in
        OpenAI's words (empty: no key was given).
        """
        return await self._identities.identify(presented)

    async def authenticate(self, presented: str) -> Principal:
        """Check a presented key in full. Raises Unauthenticated in OpenAI's words (empty: no key was given)."""
        identity = await self._identities.identify(presented)
        record = await self._record(identity.key_id, identity.team)
        if record is None:
            raise incorrect(presented)
        if record.revoked is not None:
            raise incorrect(presented, f"This key was revoked on {_when(record.revoked)}. ")
        if record.expires is not None and self._clock() >= record.expires:
            raise incorrect(presented, f"This key expired on {_when(record.expires)}. ")
        return Principal(record.id, record.team, record.name, record.models, record.no_cache)

    async def create(
        self,
        team: str,
        name: str = "",
        expires_s: float | None = None,
        models: Iterable[str] = (),
        *,
        no_cache: bool = False,
        cache_ttl_s: int | None = None,
        limits: Limits = NO_LIMITS,
    ) -> CreatedKey:
        """Make a key that lives `expires_s` seconds (None: for ever) and may use `models` (none: all).

        Its pictures are replayed for `cache_ttl_s` seconds (0: never; None: as the model and the settings say).
        Raises InvalidRequest.
        """
        return await self.add(
            team,
            KeyChanges(
                name=name,
                models=tuple(models),
                expires=None if expires_s is None else int(self._clock()) + int(expires_s),
                no_cache=no_cache,
                cache_ttl_s=cache_ttl_s,
                limits=as_changes(limits),
            ),
        )

    async def add(self, team: str, rights: KeyChanges) -> CreatedKey:
        """Make a key of a team, unlimited but for what `rights` sets. Raises InvalidRequest."""
        check_team(team)
        now = int(self._clock())
        rights = _without_repetition(rights)
        check(rights, now)
        fields = as_fields(_UNLIMITED) | as_fields(rights)
        return await self._store(team, fields, now)

    async def teams(self) -> list[str]:
        """List the teams by name, those without a key included."""
        with redis_needed():
            return sorted(text(name) for name in await self._redis.smembers("teams"))

    async def list(self, team: str | None = None) -> tuple[KeyRecord, ...]:
        """List the keys of a team, or of all teams by name; oldest first. Raises InvalidRequest."""
        if team is not None:
            check_team(team)
        teams = [team] if team else await self.teams()
        with redis_needed():
            return tuple([record for name in teams for record in await self._of_team(name)])

    async def show(self, key_id: str) -> KeyRecord:
        """Look one key up. Raises NotFound."""
        team = await self._identities.team_of(key_id)
        record = await self._record(key_id, team) if team else None
        if record is None:
            raise NotFound(f"There is no key {key_id!r}: `gateway keys list` shows them all.", param="id")
        return record

    async def change(self, key_id: str, changes: KeyChanges) -> KeyRecord:
        """Change what is given of a key that is not revoked, at once and for every worker.

        Raises NotFound and InvalidRequest.
        """
        record = await self.show(key_id)
        if record.revoked is not None:
            raise InvalidRequest(f"The key {key_id} is revoked, so nothing of it can be changed.", param="id")
        changes = _without_repetition(changes)
        check(changes, self._clock())
        fields = as_fields(changes)
        if not fields:
            return record
        with redis_needed():
            await self._redis.eval(_CHANGE, 1, _key(record.team, key_id), *flat(fields))
        return await self.show(key_id)

    async def revoke(self, key_id: str) -> KeyRecord:
        """End a key at once, for every worker. Revoking it again keeps the first time. Raises NotFound."""
        record = await self.show(key_id)
        if record.revoked is not None:
            return record
        with redis_needed():
            await self._redis.hset(_key(record.team, key_id), "revoked", str(int(self._clock())))
        return await self.show(key_id)

    async def rotate(self, key_id: str, grace_s: float = 0) -> CreatedKey:
        """Replace an active key by a new one of the same rights, limits and length of life.

        The old key counts for `grace_s` more seconds, but no longer than before (0: it is revoked at once).
        Raises NotFound, and InvalidRequest if the key is no longer active or was replaced before.
        """
        old = await self.show(key_id)
        now = int(self._clock())
        check_replaceable(old, now)
        check_grace(grace_s)
        ends = min(now + int(grace_s), old.expires or now + int(grace_s))
        retired = {"expires": str(ends)} if grace_s else {"revoked": str(now)}
        life = {"expires": str(now + old.expires - old.created) if old.expires else ""}
        return await self._store(old.team, life, now, replaces=(key_id, retired))

    async def _store(
        self,
        team: str,
        fields: Mapping[str, str],
        now: int,
        replaces: tuple[str, Mapping[str, str]] | None = None,
    ) -> CreatedKey:
        key_id, secret = apikey.mint()
        lot = {"created": str(now), "revoked": "", "replaced_by": "", "used": "", "prefix": f"{apikey.PREFIX}{key_id}"}
        identity = {"team": team, "sha256": apikey.digest(secret).hex()}
        names, values = [f"{{{team}}}:keys", _key(team, key_id), f"{{{team}}}:team"], flat({**fields, **lot})
        count = len(values)
        if replaces:
            old_id, retired = replaces
            names.append(_key(team, old_id))
            values += flat({**retired, "replaced_by": key_id})
        with redis_needed():
            # A crash after this write leaves an identity without rights, which opens nothing.
            await self._redis.hset(f"key:{key_id}", mapping=encodable(identity))
            await self._redis.sadd("teams", team)
            held = await self._redis.eval(_STORE, len(names), *names, key_id, str(now), str(count), *values)
        if not held:
            raise InvalidRequest(f"The key {replaces and replaces[0]} was replaced or revoked just now.", param="id")
        return CreatedKey(**msgspec.structs.asdict(from_hash(key_id, team, paired(held))), secret=secret)

    async def _of_team(self, team: str) -> Iterable[KeyRecord]:
        found = await self._redis.eval(_LIST, 1, f"{{{team}}}:keys", _key(team, ""))
        return [from_hash(text(key_id), team, paired(fields)) for key_id, fields in found]

    async def _record(self, key_id: str, team: str) -> KeyRecord | None:
        held = await self._fields(key_id, team)
        return from_hash(key_id, team, held) if held else None

    async def _fields(self, key_id: str, team: str) -> dict[str, str]:
        with redis_needed():
            return decoded(await self._redis.hgetall(_key(team, key_id)))


_UNLIMITED = KeyChanges(
    name="", models=(), expires=None, no_cache=False, cache_ttl_s=None, limits=as_changes(NO_LIMITS)
)


def _without_repetition(changes: KeyChanges) -> KeyChanges:
    if changes.models is msgspec.UNSET:
        return changes
    return msgspec.structs.replace(changes, models=tuple(dict.fromkeys(changes.models)))


def _key(team: str, key_id: str) -> str:
    return f"{{{team}}}:key:{key_id}"


def _when(unix_s: int) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M} UTC"

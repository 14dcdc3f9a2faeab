"""What is known of an API key, how that is written in Redis, and what is refused before it is written."""

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from gateway.errors import InvalidRequest
from gateway.store.limits import NO_LIMITS, Limits, check_limits, limit_fields, limits_in

_TEAM = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MODEL = re.compile(r"[^\s,]+")
_NAME_LENGTH = 64
_LONGEST_LIFE_S = 100 * 365 * 86_400
_LONGEST_CACHE_S = 366 * 86_400


class KeyRecord(msgspec.Struct, frozen=True):
    """A key without its secret. Times are unix seconds; `replaced_by` is the id that a rotation made.

    No `models` means all of them. `cache_ttl_s` is for how many seconds its pictures are replayed (0: never; None: as
    the model and the settings say). `used` is when it was last admitted.
    """

    id: str
    team: str
    name: str
    prefix: str
    created: int
    expires: int | None
    revoked: int | None
    replaced_by: str | None
    models: tuple[str, ...]
    no_cache: bool
    cache_ttl_s: int | None = None
    used: int | None = None
    limits: Limits = NO_LIMITS

    def state(self, now: float) -> str:
        """One of `active`, `expired` and `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "active"


class CreatedKey(KeyRecord, frozen=True, kw_only=True):
    """A new key, and the only place where its secret is ever seen: `secret` is the whole `sk-gw-...`."""

    secret: str

    def __repr__(self) -> str:
        return f"CreatedKey(id={self.id!r}, team={self.team!r})"


class KeyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of a key; what is unset stays as it is. `expires` is in unix seconds, None for never.

    `limits` are by their inside names, None for no limit.
    """

    name: str | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    expires: int | UnsetType | None = UNSET
    no_cache: bool | UnsetType = UNSET
    cache_ttl_s: int | UnsetType | None = UNSET
    limits: Mapping[str, int | None] = {}


def from_hash(key_id: str, team: str, held: Mapping[str, str]) -> KeyRecord:
    """Read the changeable part of a key, where "" or an absent field stands for none."""
    return KeyRecord(
        id=key_id,
        team=team,
        name=held["name"],
        prefix=held["prefix"],
        created=int(held["created"]),
        expires=_number(held, "expires"),
        revoked=_number(held, "revoked"),
        replaced_by=held["replaced_by"] or None,
        models=tuple(held["models"].split(",")) if held["models"] else (),
        no_cache=held["no_cache"] == "1",
        cache_ttl_s=_number(held, "cache_ttl_s"),
        used=_number(held, "used"),
        limits=limits_in(held),
    )


def as_fields(changes: KeyChanges) -> dict[str, str]:
    """Write changes as the fields that they set."""
    fields: dict[str, str] = {}
    if changes.name is not UNSET:
        fields["name"] = changes.name
    if changes.models is not UNSET:
        fields["models"] = ",".join(changes.models)
    if changes.expires is not UNSET:
        fields["expires"] = _written(changes.expires)
    if changes.no_cache is not UNSET:
        fields["no_cache"] = "1" if changes.no_cache else ""
    if changes.cache_ttl_s is not UNSET:
        fields["cache_ttl_s"] = _written(changes.cache_ttl_s)
    return fields | limit_fields(changes.limits)


def check(changes: KeyChanges, now: float) -> None:
    """Raise InvalidRequest, naming the first part of a new or changed key that cannot be."""
    if changes.name is not UNSET:
        _check_name(changes.name)
    if changes.expires is not UNSET and changes.expires is not None:
        _check_life(changes.expires - int(now))
    if changes.models is not UNSET:
        _check_models(changes.models)
    if changes.cache_ttl_s is not UNSET and changes.cache_ttl_s is not None:
        _check_cache(changes.cache_ttl_s)
    check_limits(changes.limits)


def check_team(team: str) -> None:
    """Raise InvalidRequest unless `team` can be the name of a team."""
    if not _TEAM.fullmatch(team):
        raise InvalidRequest(
            f"{team[:80]!r} is not a team name: use 1 to 63 of a-z, 0-9, '.', '_' and '-', "
            "the first a letter or a digit.",
            param="team",
        )


def check_replaceable(key: KeyRecord, now: float) -> None:
    """Raise InvalidRequest unless `key` is active and was not replaced before."""
    if key.replaced_by:
        raise InvalidRequest(
            f"The key {key.id} was already replaced by {key.replaced_by}: rotate that one.", param="id"
        )
    if key.state(now) != "active":
        raise InvalidRequest(
            f"The key {key.id} is {key.state(now)}, so nothing is left to replace: create a key.",
            param="id",
        )


def check_grace(grace_s: float) -> None:
    """Raise InvalidRequest unless a replaced key can count for so many more seconds."""
    if not 0 <= grace_s <= _LONGEST_LIFE_S:
        raise InvalidRequest(
            f"A grace of {grace_s:g} seconds: it must not be negative, nor above {_LONGEST_LIFE_S} (100 years).",
            param="grace_s",
        )


def _check_name(name: str) -> None:
    if len(name) > _NAME_LENGTH or not name.isprintable():
        raise InvalidRequest(
            f"The name {name[:80]!r} has {len(name)} characters: "
            f"at most {_NAME_LENGTH} are allowed, all of them printable.",
            param="name",
        )


def _check_life(life_s: float) -> None:
    if not 1 <= life_s <= _LONGEST_LIFE_S:
        raise InvalidRequest(
            f"A key cannot expire after {life_s:g} seconds: "
            f"from 1 to {_LONGEST_LIFE_S} (100 years) are possible, or none at all.",
            param="expires",
        )


def _check_models(models: Sequence[str]) -> None:
    for model in models:
        if not _MODEL.fullmatch(model):
            raise InvalidRequest(
                f"{model!r} is not a model id: it must have neither spaces nor commas.", param="models"
            )


def _check_cache(ttl_s: int) -> None:
    if not 0 <= ttl_s <= _LONGEST_CACHE_S:
        raise InvalidRequest(
            f"A key's pictures cannot be replayed for {ttl_s} seconds: "
            f"from 0 (never) to {_LONGEST_CACHE_S} (a year) are possible.",
            param="cache_ttl_s",
        )


def _number(held: Mapping[str, str], name: str) -> int | None:
    return int(held[name]) if held.get(name) else None


def _written(value: int | None) -> str:
    return "" if value is None else str(value)

"""What is known of an API key, how that is written in Redis, and what is refused before it is written."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from gateway.errors import InvalidRequest

_TEAM = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MODEL = re.compile(r"[^\s,]+")
_NAME_LENGTH = 64
_LONGEST_LIFE_S = 100 * 365 * 86_400


class KeyRecord(msgspec.Struct, frozen=True):
    """A key without its secret. Times are unix seconds; `replaced_by` is the id that a rotation made.

    No `models` means all of them.
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

    def state(self, now: float) -> str:
        """One of `active`, `expired` and `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "active"


class CreatedKey(KeyRecord, frozen=True):
    """A new key, and the only place where its secret is ever seen: `secret` is the whole `sk-gw-...`."""

    secret: str

    def __repr__(self) -> str:
        return f"CreatedKey(id={self.id!r}, team={self.team!r})"


def from_hash(key_id: str, team: str, held: Mapping[str, str]) -> KeyRecord:
    """Read the changeable part of a key, where "" stands for none."""
    return KeyRecord(
        id=key_id,
        team=team,
        name=held["name"],
        prefix=held["prefix"],
        created=int(held["created"]),
        expires=int(held["expires"]) if held["expires"] else None,
        revoked=int(held["revoked"]) if held["revoked"] else None,
        replaced_by=held["replaced_by"] or None,
        models=tuple(held["models"].split(",")) if held["models"] else (),
        no_cache=held["no_cache"] == "1",
    )


def check(team: str, name: str, expires_s: float | None, models: Sequence[str]) -> None:
    """Raise InvalidRequest, naming the first part of a new key that cannot be."""
    check_team(team)
    if len(name) > _NAME_LENGTH or not name.isprintable():
        raise InvalidRequest(
            f"The name {name[:80]!r} has {len(name)} characters: "
            f"at most {_NAME_LENGTH} are allowed, all of them printable.",
            param="name",
        )
    if expires_s is not None and not 1 <= expires_s <= _LONGEST_LIFE_S:
        raise InvalidRequest(
            f"A key cannot expire after {expires_s:g} seconds: "
            f"from 1 to {_LONGEST_LIFE_S} (100 years) are possible, or none at all.",
            param="expires",
        )
    for model in models:
        if not _MODEL.fullmatch(model):
            raise InvalidRequest(
                f"{model!r} is not a model id: it must have neither spaces nor commas.", param="models"
            )


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

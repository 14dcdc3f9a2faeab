"""The steps from how teams and keys are to how a file wants them, with a line for each difference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
import msgspec

from gateway.cli.wanted import WantedKey, WantedTeam
from gateway.store.key_record import KeyChanges, KeyRecord
from gateway.store.limits import Limits, outside
from gateway.store.teams import TeamRecord


class TeamStep(msgspec.Struct, frozen=True):
    """Set a team's limits; `lines` tell what that changes."""

    team: str
    limits: Mapping[str, int | None]
    lines: tuple[str, ...]


class KeyStep(msgspec.Struct, frozen=True):
    """Change a key, or make it where there is no `key_id`."""

    team: str
    key_id: str | None
    rights: KeyChanges
    lines: tuple[str, ...]


def steps(
    wanted: Iterable[WantedTeam], teams: Iterable[TeamRecord], keys: Iterable[KeyRecord], now: float
) -> list[TeamStep | KeyStep]:
    """Find what is to be done, in order; nothing where all is as it should be.

    Raises:
        click.ClickException: a name of the file fits two keys.

    """
    records = {team.team: team for team in teams}
    current = _current(keys, now)
    found: list[TeamStep | KeyStep] = []
    for team in wanted:
        found += _of_team(team, records.get(team.name))
        for key in team.keys:
            found += _of_key(team.name, key, current.get((team.name, key.name), []))
    return found


def left_alone(
    wanted: Sequence[WantedTeam], teams: Iterable[TeamRecord], keys: Iterable[KeyRecord], now: float
) -> tuple[list[str], list[str]]:
    """Name the teams that are not in the file, and the keys of its teams that are not, as team/name or team/id."""
    names = {team.name for team in wanted}
    known = {(team.name, key.name) for team in wanted for key in team.keys}
    others = [
        f"{team}/{name or key.id}"
        for (team, name), alike in _current(keys, now).items()
        for key in alike
        if team in names and (team, name) not in known
    ]
    return [team.team for team in teams if team.team not in names], others


def _current(keys: Iterable[KeyRecord], now: float) -> dict[tuple[str, str], list[KeyRecord]]:
    """Group by team and name the keys that count, those aside that a rotation has replaced."""
    found: dict[tuple[str, str], list[KeyRecord]] = {}
    for key in keys:
        if key.state(now) == "active" and key.replaced_by is None:
            found.setdefault((key.team, key.name), []).append(key)
    return found


def _of_team(wanted: WantedTeam, record: TeamRecord | None) -> Iterator[TeamStep]:
    before = outside(record.limits) if record else {}
    lines = _lines(f"team {wanted.name}", before, outside(Limits(**wanted.limits)), is_new=record is None)
    if lines:
        yield TeamStep(wanted.name, wanted.limits, lines)


def _of_key(team: str, wanted: WantedKey, alike: Sequence[KeyRecord]) -> Iterator[KeyStep]:
    subject = f"key {team}/{wanted.name}"
    if len(alike) > 1:
        ids = " and ".join(key.id for key in alike)
        raise click.ClickException(f"The {subject} is {ids}: revoke or rename all but one of them.")
    record = alike[0] if alike else None
    before = _told(record.models, record.no_cache, record.cache_ttl_s, record.limits) if record else {}
    rights: Any = wanted.rights
    after = _told(rights.models, rights.no_cache, rights.cache_ttl_s, Limits(**rights.limits))
    lines = _lines(subject, before, after, is_new=record is None)
    if lines:
        yield KeyStep(team, record.id if record else None, wanted.rights, lines)


def _told(models: Sequence[str], no_cache: bool, cache_ttl_s: int | None, limits: Limits) -> dict[str, object]:
    """Give all that a key may do by the file's names; None is what the file leaves out."""
    return {
        **outside(limits),
        "models": ", ".join(models) or None,
        "no_cache": "true" if no_cache else None,
        "cache_ttl": None if cache_ttl_s is None else f"{cache_ttl_s}s",
    }


def _lines(subject: str, before: Mapping[str, object], after: Mapping[str, object], *, is_new: bool) -> tuple[str, ...]:
    lines = [f"+ {subject}"] if is_new else []
    for name, new in after.items():
        old = before.get(name)
        if old == new:
            continue
        if old is None:
            lines.append(f"+ {subject}: {name} {new}")
        elif new is None:
            lines.append(f"- {subject}: {name} {old}")
        else:
            lines.append(f"~ {subject}: {name} {old} -> {new}")
    return tuple(lines)

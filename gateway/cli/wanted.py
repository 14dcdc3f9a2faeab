"""What `gateway apply` is to bring about: its file, read in full and checked before anything is done."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.catalog import Catalog
from gateway.cli.duration import seconds_of
from gateway.cli.limit_options import limit_value
from gateway.cli.model_names import model_ids
from gateway.errors import InvalidRequest
from gateway.settings import SettingsError
from gateway.store.key_record import KeyChanges, check, check_team
from gateway.store.limits import KINDS, NO_LIMITS, as_changes, read_limits

T = TypeVar("T")
_OF_A_TEAM = (*KINDS, "keys")
_OF_A_KEY = (*KINDS, "models", "no_cache", "cache_ttl")


class WantedKey(msgspec.Struct, frozen=True):
    """A key of the file: everything of it but its end."""

    name: str
    rights: KeyChanges


class WantedTeam(msgspec.Struct, frozen=True):
    """A team of the file; `limits` are all there are, by their inside names, and None where the file has none."""

    name: str
    limits: Mapping[str, int | None]
    keys: tuple[WantedKey, ...]


def read_wanted(path: Path, catalog: Catalog) -> tuple[WantedTeam, ...]:
    """Read the file. Raises SettingsError: one line that names the file, the place, and what would be right."""
    document = _toml(path)
    _known(f"{path}: ", document, ("teams",))
    tables = _table(f"{path}: teams", document.get("teams", {}))
    return tuple(_team(f"{path}: teams.{name}", name, _table(f"{path}: teams.{name}", tables[name]), catalog)
                 for name in tables)  # fmt: skip


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: it is not UTF-8 text") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None


def _team(place: str, name: str, table: Mapping[str, Any], catalog: Catalog) -> WantedTeam:
    _known(f"{place}.", table, _OF_A_TEAM)
    _at(place, lambda: check_team(name))
    keys = _table(f"{place}.keys", table.get("keys", {}))
    return WantedTeam(
        name,
        _limits(place, table),
        tuple(
            _key(f"{place}.keys.{key}", key, _table(f"{place}.keys.{key}", fields), catalog)
            for key, fields in keys.items()
        ),
    )


def _key(place: str, name: str, table: Mapping[str, Any], catalog: Catalog) -> WantedKey:
    _known(f"{place}.", table, _OF_A_KEY)
    rights = KeyChanges(
        name=name,
        models=_models(f"{place}.models", table.get("models"), catalog),
        no_cache=_flag(f"{place}.no_cache", table.get("no_cache", False)),
        cache_ttl_s=_ttl(f"{place}.cache_ttl", table.get("cache_ttl")),
        limits=_limits(place, table),
    )
    if not name:
        raise SettingsError(f"{place}: a key of the file needs a name")
    _at(place, lambda: check(rights, 0))
    return WantedKey(name, rights)


def _limits(place: str, table: Mapping[str, Any]) -> dict[str, int | None]:
    values = {
        name: limit_value(table[name]) if table[name] == "none" else table[name] for name in KINDS if name in table
    }
    return as_changes(NO_LIMITS) | _at(place, lambda: read_limits(values), joint=".")


def _models(place: str, names: object, catalog: Catalog) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SettingsError(f"{place} = {names!r}: expected a list of model names")
    if not names:
        raise SettingsError(f"{place} is empty: name some, or leave it out for all")
    try:
        return model_ids(catalog, names)
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from None


def _flag(place: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{place} = {value!r}: expected true or false")
    return value


def _ttl(place: str, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise SettingsError(f'{place} = {value!r}: expected a duration, such as "10m"')
    try:
        return seconds_of(value)
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from None


def _table(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{place} = {value!r}: expected a table")
    return value


def _known(place: str, table: Iterable[str], known: tuple[str, ...]) -> None:
    for name in table:
        if name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0)[0]
            raise SettingsError(f"{place}{name}: unknown key; the nearest known one is {nearest}")


def _at(place: str, work: Callable[[], T], joint: str = ": ") -> T:
    """Do what may find the file wrong, and say where."""
    try:
        return work()
    except InvalidRequest as error:
        raise SettingsError(f"{place}{joint}{error.message}") from None

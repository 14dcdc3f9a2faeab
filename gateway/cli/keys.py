"""`gateway keys`: make, list, end and replace API keys."""

import asyncio
import errno
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import click

from gateway.catalog import CatalogError, load_catalog
from gateway.cli.connect import state_redis
from gateway.cli.duration import Duration
from gateway.cli.key_text import as_json, as_object, moment, page, table
from gateway.errors import InvalidRequest, NotFound, Unavailable
from gateway.settings import Settings, SettingsError, load_settings, shipped
from gateway.store.apikey import id_of
from gateway.store.key_record import CreatedKey
from gateway.store.keys import Keys

T = TypeVar("T")


def _examples(*commands: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


_json = click.option("--json", "json_", is_flag=True, help="Print JSON; times are unix seconds.")
_id = click.argument("key_id", metavar="ID", callback=lambda _ctx, _param, value: _id_of(value))


@click.group(
    epilog=_examples(
        "gateway keys create --team art --name laptop --expires 90d",
        "gateway keys list --team art",
        "gateway keys rotate k3v9x0a7b2c4 --grace 1h",
        "gateway keys revoke k3v9x0a7b2c4",
    )
)
def keys() -> None:
    """Make, list, end and replace API keys.

    A key belongs to a team. Its secret is shown once, when it is made; Redis keeps a hash. Wherever an ID is
    asked for, the whole key will do as well.
    """


@keys.command(
    epilog=_examples(
        "gateway keys create --team art",
        "gateway keys create --team art --models gpt-image-1,V3 --expires 90d",
        "export OPENAI_API_KEY=$(gateway keys create --team art)",
    )
)
@click.option("--team", required=True, help="Whose key it is, e.g. art: a-z, 0-9, '.', '_' and '-'.")
@click.option("--name", default="", help="What it is for, e.g. laptop.")
@click.option("--models", default="", help="The only models it may use, e.g. gpt-image-1,V3.  [default: all]")
@click.option("--expires", type=Duration(never=True), default="never", show_default=True, help="E.g. 90d or 12h.")
@click.option("--no-cache", is_flag=True, help="Make every image anew: neither replay nor share one.")
@_json
def create(team: str, name: str, models: str, expires: int | None, *, no_cache: bool, json_: bool) -> None:
    """Make a key and show its secret, this once."""
    settings = load_settings(os.environ)
    allowed = _model_ids(settings, models)
    made = _with_keys(settings, lambda store: store.create(team, name, expires, allowed, no_cache=no_cache))
    _tell_secret(settings, made, json_=json_)


@keys.command(name="list", epilog=_examples("gateway keys list", "gateway keys list --team art --json"))
@click.option("--team", help="Only this team's keys.")
@_json
def list_(team: str | None, *, json_: bool) -> None:
    """List keys, oldest first, ended ones included."""
    found = _with_keys(load_settings(os.environ), lambda store: store.list(team))
    now = _now()
    if json_:
        click.echo(as_json([as_object(key, now) for key in found]))
    elif found:
        click.echo(table(found, now))
    else:
        of_team = f" of team {team}" if team else ""
        click.echo(f"There is no key{of_team} yet: make one by `gateway keys create --team {team or 'T'}`.", err=True)


@keys.command(epilog=_examples("gateway keys show k3v9x0a7b2c4"))
@_id
@_json
def show(key_id: str, *, json_: bool) -> None:
    """Show all of one key but its secret."""
    key = _with_keys(load_settings(os.environ), lambda store: store.show(key_id))
    click.echo(as_json(as_object(key, _now())) if json_ else page(key, _now()))


@keys.command(epilog=_examples("gateway keys revoke k3v9x0a7b2c4"))
@_id
def revoke(key_id: str) -> None:
    """End a key at once and for good."""
    key = _with_keys(load_settings(os.environ), lambda store: store.revoke(key_id))
    click.echo(f"The key {key.id} of team {key.team} is revoked, since {moment(key.revoked or 0)}.")


@keys.command(
    epilog=_examples(
        "gateway keys rotate k3v9x0a7b2c4 --grace 1h",
        "gateway keys rotate k3v9x0a7b2c4              (the old key ends at once)",
    )
)
@_id
@click.option("--grace", type=Duration(), default="0s", show_default=True, help="How long the old key still counts.")
@_json
def rotate(key_id: str, grace: int, *, json_: bool) -> None:
    """Replace a key by a new one of the same team, rights and length of life."""
    settings = load_settings(os.environ)
    made = _with_keys(settings, lambda store: store.rotate(key_id, grace))
    try:
        _tell_secret(settings, made, json_=json_)
    finally:
        if not json_:
            ends = f"counts until {moment(made.created + grace)} at most" if grace else "is revoked"
            click.echo(f"It replaces the key {key_id}, which {ends}.", err=True)


def _tell_secret(settings: Settings, made: CreatedKey, *, json_: bool) -> None:
    """Show a new key, this once; one that cannot be shown is revoked, for nobody could ever use it."""
    try:
        _write(as_json(as_object(made, _now())) if json_ else made.secret)
    except OSError as error:
        click.echo(f"The key {made.id} of team {made.team} was made, but not shown: {error.strerror}.", err=True)
        _with_keys(settings, lambda store: store.revoke(made.id))
        raise click.ClickException(f"The key {made.id} is revoked, since nobody knows its secret.") from None
    if json_:
        return
    until = f"until {moment(made.expires)}" if made.expires else "until it is revoked"
    click.echo(f"Keep it now: it is not shown again. Team {made.team}, id {made.id}, counts {until}.", err=True)


def _write(line: str) -> None:
    """Write to standard output, now and in full; raises OSError."""
    if sys.stdout is None:  # what Python makes of a closed one, and click passes over in silence
        raise OSError(errno.EBADF, "standard output is closed")
    try:
        click.echo(line)
    except OSError:
        with suppress(OSError):
            sys.stdout.close()  # drops the line, which Python would try to write once more at its end
        raise


def _model_ids(settings: Settings, names: str) -> tuple[str, ...]:
    if not names:
        return ()
    path = Path(settings.server.models or shipped("models.toml"))
    try:
        catalog = load_catalog(path, settings.images.aliases)
    except CatalogError as error:
        raise SettingsError(str(error)) from error
    try:
        return tuple(catalog.resolve(name.strip()).id for name in names.split(","))
    except NotFound as error:
        raise click.UsageError(f"--models: {error.message} Here, `gateway models` does.") from None


def _id_of(reference: str) -> str:
    try:
        return id_of(reference)
    except InvalidRequest as error:
        raise click.UsageError(error.message) from None


def _with_keys(settings: Settings, work: Callable[[Keys], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with state_redis(settings) as redis:
            return await work(Keys(redis))

    try:
        return asyncio.run(connected())
    except InvalidRequest as error:
        raise click.UsageError(error.message) from None
    except Unavailable as error:
        raise click.ClickException(f"Redis does not answer; check REDIS_URL: {error.__cause__}") from None


def _now() -> float:
    return time.time()  # noqa: TID251  the command line is where clocks come from

"""`gateway keys`: make, list, change, end and replace API keys."""

import os
from typing import Any

import click

from gateway.cli.duration import Duration
from gateway.cli.key_text import page, table
from gateway.cli.limit_options import given, limit_options
from gateway.cli.model_names import listed_models
from gateway.cli.secret import show_secrets
from gateway.cli.stored import now, with_store
from gateway.cli.text import as_json, examples, moment
from gateway.errors import InvalidRequest
from gateway.settings import Settings, load_settings
from gateway.store.apikey import id_of
from gateway.store.key_record import CreatedKey, KeyChanges, KeyRecord
from gateway.store.limits import Limits
from gateway.store.objects import key_object

_json = click.option("--json", "json_", is_flag=True, help="Print JSON; times are unix seconds.")
_id = click.argument("key_id", metavar="ID", callback=lambda _ctx, _param, value: _id_of(value))


@click.group(
    epilog=examples(
        "gateway keys create --team art --name laptop --expires 90d",
        "gateway keys set k3v9x0a7b2c4 --images-per-day 50",
        "gateway keys list --team art",
        "gateway keys rotate k3v9x0a7b2c4 --grace 1h",
        "gateway keys revoke k3v9x0a7b2c4",
    )
)
def keys() -> None:
    """Make, list, change, end and replace API keys.

    A key belongs to a team. Its secret is shown once, when it is made; Redis keeps a hash. Wherever an ID is
    asked for, the whole key will do as well. Of the limits of a key and those of its team, all must allow a request.
    """


@keys.command(
    epilog=examples(
        "gateway keys create --team art",
        "gateway keys create --team art --models gpt-image-1,V3 --expires 90d --images-per-day 50",
        "export OPENAI_API_KEY=$(gateway keys create --team art)",
    )
)
@click.option("--team", required=True, help="Whose key it is, e.g. art: a-z, 0-9, '.', '_' and '-'.")
@click.option("--name", default="", help="What it is for, e.g. laptop.")
@limit_options
@click.option("--models", default="all", show_default=True, help="The only models it may use, e.g. gpt-image-1,V3.")
@click.option("--expires", type=Duration(word="never"), default="never", show_default=True, help="E.g. 90d or 12h.")
@click.option("--no-cache", is_flag=True, help="Make every image anew: neither replay nor share one.")
@click.option(
    "--cache-ttl",
    type=Duration(word="default"),
    default="default",
    show_default=True,
    help="For how long its images are replayed, e.g. 10m; 0s is never.",
)
@_json
def create(
    *,
    team: str,
    name: str,
    models: str,
    expires: int | None,
    cache_ttl: int | None,
    limits: dict[str, int | None],
    no_cache: bool,
    json_: bool,
) -> None:
    """Make a key and show its secret, this once."""
    settings = load_settings(os.environ)
    allowed = listed_models(settings, models)
    made = with_store(
        settings,
        lambda store: store.keys.create(
            team, name, expires, allowed, no_cache=no_cache, cache_ttl_s=cache_ttl, limits=Limits(**limits)
        ),
    )
    _tell_secret(settings, made, json_=json_)


@keys.command(
    name="set",
    epilog=examples(
        "gateway keys set k3v9x0a7b2c4 --requests-per-minute 60 --max-concurrent none",
        "gateway keys set k3v9x0a7b2c4 --models all --expires 30d --cache",
    ),
)
@_id
@limit_options
@click.option("--name", help="What it is for, e.g. laptop.")
@click.option("--models", help="The only models it may use, e.g. gpt-image-1,V3, or all.")
@click.option("--expires", type=Duration(word="never"), help="From now on, e.g. 90d or 12h, or never.")
@click.option("--cache/--no-cache", default=None, help="Replay and share images, or make every one anew.")
@click.option(
    "--cache-ttl", type=Duration(word="default"), help="For how long its images are replayed, e.g. 10m, or default."
)
@_json
def set_(key_id: str, limits: dict[str, int | None], *, json_: bool, **_: Any) -> None:
    """Change what is given of a key; all else stays as it is. It holds at once."""
    settings = load_settings(os.environ)
    changes = _changes(settings, limits)
    key = with_store(settings, lambda store: store.keys.change(key_id, changes))
    _tell(key, json_=json_)


@keys.command(name="list", epilog=examples("gateway keys list", "gateway keys list --team art --json"))
@click.option("--team", help="Only this team's keys.")
@_json
def list_(team: str | None, *, json_: bool) -> None:
    """List keys, oldest first, ended ones included."""
    found = with_store(load_settings(os.environ), lambda store: store.keys.list(team))
    if json_:
        click.echo(as_json([key_object(key, now()) for key in found]))
    elif found:
        click.echo(table(found, now()))
    else:
        of_team = f" of team {team}" if team else ""
        click.echo(f"There is no key{of_team} yet: make one by `gateway keys create --team {team or 'T'}`.", err=True)


@keys.command(epilog=examples("gateway keys show k3v9x0a7b2c4"))
@_id
@_json
def show(key_id: str, *, json_: bool) -> None:
    """Show all of one key but its secret."""
    _tell(with_store(load_settings(os.environ), lambda store: store.keys.show(key_id)), json_=json_)


@keys.command(epilog=examples("gateway keys revoke k3v9x0a7b2c4"))
@_id
def revoke(key_id: str) -> None:
    """End a key at once and for good."""
    key = with_store(load_settings(os.environ), lambda store: store.keys.revoke(key_id))
    click.echo(f"The key {key.id} of team {key.team} is revoked, since {moment(key.revoked or 0)}.")


@keys.command(
    epilog=examples(
        "gateway keys rotate k3v9x0a7b2c4 --grace 1h",
        "gateway keys rotate k3v9x0a7b2c4              (the old key ends at once)",
    )
)
@_id
@click.option("--grace", type=Duration(), default="0s", show_default=True, help="How long the old key still counts.")
@_json
def rotate(key_id: str, grace: int, *, json_: bool) -> None:
    """Replace a key by a new one of the same team, rights, limits and length of life."""
    settings = load_settings(os.environ)
    made = with_store(settings, lambda store: store.keys.rotate(key_id, grace))
    try:
        _tell_secret(settings, made, json_=json_)
    finally:
        if not json_:
            ends = f"counts until {moment(made.created + grace)} at most" if grace else "is revoked"
            click.echo(f"It replaces the key {key_id}, which {ends}.", err=True)


def _changes(settings: Settings, limits: dict[str, int | None]) -> KeyChanges:
    """Read the changes that the options of `set` ask for; an option that is not given changes nothing."""
    asked = given(click.get_current_context())
    changes: dict[str, Any] = {"limits": limits}
    if "name" in asked:
        changes["name"] = asked["name"]
    if "models" in asked:
        changes["models"] = listed_models(settings, asked["models"])
    if "expires" in asked:
        changes["expires"] = None if asked["expires"] is None else int(now()) + asked["expires"]
    if "cache" in asked:
        changes["no_cache"] = not asked["cache"]
    if "cache_ttl" in asked:
        changes["cache_ttl_s"] = asked["cache_ttl"]
    if changes == {"limits": {}}:
        raise click.UsageError("There is nothing to change: give at least one option.")
    return KeyChanges(**changes)


def _tell(key: KeyRecord, *, json_: bool) -> None:
    click.echo(as_json(key_object(key, now())) if json_ else page(key, now()))


def _tell_secret(settings: Settings, made: CreatedKey, *, json_: bool) -> None:
    show_secrets(settings, as_json(key_object(made, now())) if json_ else made.secret, [made])
    if json_:
        return
    until = f"until {moment(made.expires)}" if made.expires else "until it is revoked"
    click.echo(f"Keep it now: it is not shown again. Team {made.team}, id {made.id}, counts {until}.", err=True)


def _id_of(reference: str) -> str:
    try:
        return id_of(reference)
    except InvalidRequest as error:
        raise click.UsageError(error.message) from None

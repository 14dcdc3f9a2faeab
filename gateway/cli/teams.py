"""`gateway teams`: limit teams, and list them."""

import os

import click

from gateway.cli import limit_text
from gateway.cli.limit_options import limit_options
from gateway.cli.stored import with_store
from gateway.cli.text import as_json, as_page, as_table, day, examples, moment
from gateway.settings import load_settings
from gateway.store.objects import team_object
from gateway.store.teams import TeamRecord

_json = click.option("--json", "json_", is_flag=True, help="Print JSON; times are unix seconds, money is dollars.")
_team = click.argument("team", metavar="TEAM")


@click.group(
    epilog=examples(
        "gateway teams set art --images-per-day 500 --budget-usd-per-month 50",
        "gateway teams set art --budget-usd-per-month none",
        "gateway teams list",
    )
)
def teams() -> None:
    """Limit teams, and list them.

    A team is there as soon as it has a key or is set. Its limits hold for all of its keys together; a key may have
    narrower ones of its own.
    """


@teams.command(name="set", epilog=examples("gateway teams set art --requests-per-minute 120 --max-concurrent none"))
@_team
@limit_options
@_json
def set_(team: str, limits: dict[str, int | None], *, json_: bool) -> None:
    """Make a team if need be, and change the given limits; all else stays as it is. They hold at once."""
    _tell(with_store(load_settings(os.environ), lambda store: store.teams.set(team, limits)), json_=json_)


@teams.command(name="list", epilog=examples("gateway teams list", "gateway teams list --json"))
@_json
def list_(*, json_: bool) -> None:
    """List the teams by name, with their limits."""
    found = with_store(load_settings(os.environ), lambda store: store.teams.list())
    if json_:
        click.echo(as_json([team_object(team) for team in found]))
    elif found:
        rows = [(team.team, day(team.created, "-"), limit_text.short(team.limits)) for team in found]
        click.echo(as_table([("TEAM", "CREATED", "LIMITS"), *rows]))
    else:
        click.echo("There is no team yet: make one by `gateway teams set T`.", err=True)


@teams.command(epilog=examples("gateway teams show art"))
@_team
@_json
def show(team: str, *, json_: bool) -> None:
    """Show the limits of one team."""
    _tell(with_store(load_settings(os.environ), lambda store: store.teams.show(team)), json_=json_)


def _tell(team: TeamRecord, *, json_: bool) -> None:
    if json_:
        click.echo(as_json(team_object(team)))
        return
    created = moment(team.created) if team.created is not None else None
    click.echo(as_page({"team": team.team, "created": created, **limit_text.facts(team.limits)}))

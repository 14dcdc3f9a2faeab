"""`gateway apply`: make teams, keys and their limits what a file says."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.difference import KeyStep, TeamStep, left_alone, steps
from gateway.cli.model_names import catalog_of
from gateway.cli.secret import show_secrets
from gateway.cli.stored import Stored, now, with_store
from gateway.cli.text import as_json, as_table, examples
from gateway.cli.wanted import WantedTeam, read_wanted
from gateway.settings import Settings, load_settings
from gateway.store.key_record import CreatedKey
from gateway.store.objects import key_object

_FORM = """\b
Of a team:  requests_per_minute, images_per_day, budget_usd_per_month, max_concurrent, keys
Of a key:   the same limits, models (a list), no_cache (true), cache_ttl ("10m")

\b
The file is TOML, for example:
  [teams.art]
  images_per_day = 500
  budget_usd_per_month = 50
  [teams.art.keys.laptop]
  models = ["gpt-image-1", "V3"]
  requests_per_minute = 10
  no_cache = true
"""


@click.command(epilog=_FORM + "\n" + examples("gateway apply teams.toml --dry-run", "gateway apply teams.toml"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--json", "json_", is_flag=True, help="Print one JSON object; `created` holds new keys and their secrets."
)
def apply(file: Path, *, dry_run: bool, json_: bool) -> None:
    """Make teams, keys and their limits what FILE says.

    A team of the file gets exactly its limits: one that the file leaves out is lifted. A key of the file is known by
    its name in its team; one that does not exist is made, and its secret is shown, this once. Teams and keys that are
    not in the file are left alone, and named. Applying a file twice changes nothing.
    """
    settings = load_settings(os.environ)
    wanted = read_wanted(file, catalog_of(settings))
    application = _Application(settings, wanted, dry_run=dry_run, json_=json_)
    try:
        with_store(settings, application.run)
    finally:
        application.tell()


class _Application:
    """What was done so far, so that it is told even if the store fails in the middle."""

    def __init__(self, settings: Settings, wanted: Sequence[WantedTeam], *, dry_run: bool, json_: bool) -> None:
        self._settings = settings
        self._wanted = wanted
        self._dry_run = dry_run
        self._json = json_
        self._lines: list[str] = []
        self._made: list[CreatedKey] = []
        self._others: tuple[list[str], list[str]] = ([], [])
        self._is_done = False

    async def run(self, store: Stored) -> None:
        """Compare, and unless it is a dry run, do it."""
        teams, keys = await store.teams.list(), await store.keys.list()
        self._others = left_alone(self._wanted, teams, keys, now())
        for step in steps(self._wanted, teams, keys, now()):
            if not self._dry_run:
                await self._do(store, step)
            self._lines += step.lines
        self._is_done = True

    async def _do(self, store: Stored, step: TeamStep | KeyStep) -> None:
        if isinstance(step, TeamStep):
            await store.teams.set(step.team, step.limits)
        elif step.key_id:
            await store.keys.change(step.key_id, step.rights)
        else:
            self._made.append(await store.keys.add(step.team, step.rights))

    def tell(self) -> None:
        """Show the differences, the secrets of new keys, and what was left alone."""
        if self._is_done or self._lines:
            show_secrets(self._settings, self._as_json() if self._json else self._as_text(), self._made)
        if self._json:
            return
        if self._made:
            click.echo("Keep these keys now: they are not shown again.", err=True)
        for kind, names in zip(("teams", "keys"), self._others, strict=True):
            if names:
                click.echo(f"Not in the file and left alone: {kind} {', '.join(names)}.", err=True)

    def _as_text(self) -> str:
        lines = self._lines or ["Nothing to change."]
        if self._made:
            rows = [("KEY", "ID", "SECRET"), *((f"{key.team}/{key.name}", key.id, key.secret) for key in self._made)]
            lines = [*lines, "", as_table(rows)]
        return "\n".join(lines)

    def _as_json(self) -> str:
        teams, keys = self._others
        return as_json(
            {
                "changes": self._lines,
                "created": [key_object(key, now()) for key in self._made],
                "left_alone": {"teams": teams, "keys": keys},
            }
        )

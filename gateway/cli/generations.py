"""`gateway generations`: what is under way, what is in dispute, what became of one."""

import getpass
import os
from typing import Any, Literal

import click

from gateway.cli.books import Books, with_books
from gateway.cli.dollars import Dollars
from gateway.cli.generation_text import entries_table, page, records_table
from gateway.cli.stored import now
from gateway.cli.text import as_json, examples
from gateway.settings import load_settings
from gateway.store.books_objects import entry_object, generation_object, resolved_object, told_object
from gateway.store.connection import redis_needed
from gateway.store.entries import Entry
from gateway.store.generation_record import GenerationRecord
from gateway.store.journal import Resolved
from gateway.store.money import in_dollars

_json = click.option("--json", "json_", is_flag=True, help="Print JSON; times are unix seconds, money is dollars.")
_id = click.argument("name", metavar="ID")
_NONE = {
    "open": "Nothing is under way; --state all shows what was settled lately.",
    "unknown": "Nothing is in dispute; --state all shows what was settled lately.",
    "all": "Nothing is under way, in dispute, or was settled lately.",
}


@click.group(
    epilog=examples(
        "gateway generations list --state unknown",
        "gateway generations show gen_01995e1c2d0a3f0c1d2e3f4a",
        'gateway generations resolve gen_01995e1c2d0a3f0c1d2e3f4a --not-charged --note "not on the bill of November"',
    )
)
def generations() -> None:
    """Tell what is under way or in dispute, and settle disputes against upstream's bill.

    A generation is in dispute when a paid call went out and its answer was lost: whether upstream charged it is
    known from upstream's own log alone. Its id is in `x-gateway-generation-id` of the answer, and in the log.
    """


@generations.command(name="list", epilog=examples("gateway generations list", "gateway generations list --state all"))
@click.option("--team", help="Only this team's.  [default: all]")
@click.option(
    "--state",
    type=click.Choice(["open", "unknown", "all"]),
    default="open",
    show_default=True,
    help="Under way, in dispute, or both and what was settled lately.",
)
@click.option("--count", type=click.IntRange(1, 1000), default=50, show_default=True, help="Of all: how many settled.")
@_json
def list_(team: str | None, state: Literal["open", "unknown", "all"], count: int, *, json_: bool) -> None:
    """List what is under way (open), what is in dispute (unknown), or both and what was settled lately (all)."""

    async def listed(books: Books) -> tuple[list[GenerationRecord], list[Entry]]:
        records = books.generations
        found = await records.under_way(team) if state != "unknown" else []
        found += await records.unresolved(team) if state != "open" else []
        return found, await records.settlements(team, count) if state == "all" else []

    found, entries = with_books(load_settings(os.environ), listed)
    if json_:
        told: dict[str, Any] = {"generations": [generation_object(record) for record in found]}
        if state == "all":
            told["settlements"] = [entry_object(entry) for entry in entries]
        click.echo(as_json(told))
        return
    if found:
        click.echo(records_table(found, int(now() * 1000)))
    if entries:
        click.echo(("\n" if found else "") + entries_table(entries))
    if not found and not entries:
        click.echo(_NONE[state], err=True)


@generations.command(epilog=examples("gateway generations show gen_01995e1c2d0a3f0c1d2e3f4a"))
@_id
@_json
def show(name: str, *, json_: bool) -> None:
    """Tell all that is known of one generation."""
    told = with_books(load_settings(os.environ), lambda books: books.generations.show(name))
    click.echo(as_json(told_object(told)) if json_ else page(told, int(now() * 1000)))


@generations.command(
    epilog=examples(
        "gateway generations resolve gen_01995e1c2d0a3f0c1d2e3f4a --charged",
        "gateway generations resolve gen_01995e1c2d0a3f0c1d2e3f4a --charged --cost-usd 0.06",
        'gateway generations resolve gen_01995e1c2d0a3f0c1d2e3f4a --not-charged --note "not on the bill"',
    )
)
@_id
@click.option("--charged", is_flag=True, help="Upstream's bill has it.")
@click.option("--not-charged", is_flag=True, help="Upstream's bill has it not.")
@click.option(
    "--cost-usd",
    "cost",
    type=Dollars(),
    help="What the bill says, in all, up to 100 times the estimate.  [default: it]",
)
@click.option("--note", default="", help="Why, for those who read the books later.")
@_json
def resolve(name: str, cost: int | None, note: str, *, charged: bool, not_charged: bool, json_: bool) -> None:
    """Settle a generation of unknown outcome, once, for all its images that never arrived.

    Your user name, the time and the note are kept in the books.
    """
    if charged == not_charged:
        raise click.UsageError("Say one of --charged and --not-charged.")

    async def settled(books: Books) -> Resolved:
        by = _user()
        resolved = await books.generations.resolve(name, charged=charged, cost=cost, by=by, note=note)
        with redis_needed():
            await books.brakes.settle(name, resolved.cost, before=(resolved.month, resolved.cost_before))
        return resolved

    resolved = with_books(load_settings(os.environ), settled)
    if json_:
        click.echo(as_json(resolved_object(name, resolved)))
    else:
        click.echo(
            f"{name} is resolved: booked at ${in_dollars(resolved.was):f} before, at "
            f"${in_dollars(resolved.charged):f} now. In all it costs ${in_dollars(resolved.cost):f}."
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"

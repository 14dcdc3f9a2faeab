"""`gateway usage`: what was used, and the proof of it."""

import os
import sys
from collections.abc import Sequence
from datetime import date
from typing import Literal

import click
import msgspec

from gateway.cli.books import Books, with_books
from gateway.cli.day import Day
from gateway.cli.stored import now
from gateway.cli.text import as_json, as_table, examples
from gateway.settings import load_settings
from gateway.store.books_objects import proof_object, report_csv, report_object
from gateway.store.money import in_dollars
from gateway.store.reconciliation import Proof
from gateway.store.usage import Grouping, Report

_COUNTS = ("requests", "images", "hits", "joins", "failures", "unknown", "denied")
_SUMS = ("cost", "spare")


@click.command(
    epilog=examples(
        "gateway usage",
        "gateway usage --team art --since 7d --by model",
        "gateway usage --since 2026-11-01 --until 2026-11-30 --by team --format csv",
        "gateway usage --check",
    )
)
@click.option("--team", help="Only this team's.  [default: all]")
@click.option("--since", type=Day(), default="30d", show_default=True, help="The first UTC day: 2026-11-01, or 7d.")
@click.option("--until", type=Day(), default="today", show_default=True, help="The last UTC day.")
@click.option(
    "--by",
    type=click.Choice(["day", "model", "key", "team"]),
    default="day",
    show_default=True,
    help="What a line is.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
@click.option("--check", is_flag=True, help="Prove counters and reservations instead; exit with 1 if they differ.")
def usage(
    team: str | None,
    since: date,
    until: date,
    by: Grouping,
    format_: Literal["table", "csv", "json"],
    *,
    check: bool,
) -> None:
    """Tell what was used and what it cost, by UTC day, model, key or team.

    Costs are in US dollars. SPARE is what upstream charged for more images than were asked for. UNKNOWN counts images
    that may have been made but never arrived: `gateway generations list --state unknown` names them.
    """
    if check:
        _check(team, json_=format_ == "json")
        return
    report = with_books(load_settings(os.environ), lambda books: books.usage.report(since, until, by=by, team=team))
    if format_ == "json":
        click.echo(as_json(report_object(report)))
    elif format_ == "csv":
        click.echo(report_csv(report), nl=False)
    else:
        click.echo(_table(report))


def _check(team: str | None, *, json_: bool) -> None:
    async def prove(books: Books) -> list[Proof]:
        teams = [team] if team else await books.generations.teams()
        asked_at = now()
        return [await books.reconciliation.prove(name, asked_at) for name in teams]

    proofs = with_books(load_settings(os.environ), prove)
    differences = [difference for proof in proofs for difference in proof.differences]
    if json_:
        click.echo(as_json([proof_object(proof) for proof in proofs]))
    else:
        for difference in differences:
            click.echo(str(difference))
        click.echo(f"{len(proofs)} teams, {len(differences)} differences.", err=True)
    sys.exit(1 if differences else 0)


def _table(report: Report) -> str:
    named = [(line.name, msgspec.structs.asdict(line.totals)) for line in report.lines]
    named.append(("total", msgspec.structs.asdict(report.total)))
    columns = [[report.by.upper(), *(name for name, _ in named)]]
    columns += [[what.upper(), *(str(totals[what]) for _, totals in named)] for what in _COUNTS]
    columns += [[f"{what.upper()} USD", *_dollars([totals[what] for _, totals in named])] for what in _SUMS]
    widths = [max(map(len, column)) for column in columns]
    padded = [
        columns[0],
        *([cell.rjust(width) for cell in column] for column, width in zip(columns[1:], widths[1:], strict=True)),
    ]
    return as_table(list(zip(*padded, strict=True)))


def _dollars(amounts: Sequence[int]) -> list[str]:
    """Write amounts with cents, or with as many decimals as one of them needs."""
    decimals = max([2, *(-int(in_dollars(amount).as_tuple().exponent) for amount in amounts)])
    return [f"{in_dollars(amount):.{decimals}f}" for amount in amounts]

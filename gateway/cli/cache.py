"""`gateway cache`: drop what identical requests would get again."""

import os

import click

from gateway.cli.books import Books, with_books
from gateway.cli.model_names import catalog_of, model_ids
from gateway.cli.text import examples
from gateway.settings import load_settings
from gateway.store.key_record import check_team


@click.group()
def cache() -> None:
    """Look after the cache of pictures."""


@cache.command(
    epilog=examples(
        "gateway cache purge --team art --model V3",
        "gateway cache purge --generation gen_01995e1c2d0a3f0c1d2e3f4a",
    )
)
@click.option("--team", help="Only this team's.  [default: all]")
@click.option("--model", help="Only this model's.  [default: all]")
@click.option("--generation", metavar="ID", help="Only the pictures of this generation.")
def purge(team: str | None, model: str | None, generation: str | None) -> None:
    """Drop entries, so that identical requests are made anew.

    URLs that clients have already been given go on working until they expire.
    """
    settings = load_settings(os.environ)
    try:
        model_id = model_ids(catalog_of(settings), [model])[0] if model else ""
    except ValueError as error:
        raise click.UsageError(f"--model: {error}") from None

    async def purged(books: Books) -> int:
        if team:
            check_team(team)
        teams = [team] if team else await books.generations.teams()
        return sum([await books.ledger.purge(name, model=model_id, generation=generation or "") for name in teams])

    dropped = with_books(settings, purged)
    click.echo(f"{dropped} cache {'entry is' if dropped == 1 else 'entries are'} dropped.")

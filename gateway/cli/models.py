"""`gateway models`."""

import os

import click
import msgspec

from gateway.cli.model_names import catalog_of
from gateway.cli.prices import basis, span
from gateway.cli.text import as_table
from gateway.settings import load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print every field of every model, for programs.")
def models(*, as_json: bool) -> None:
    """List the models, what an image costs, how far that is known, and the other names each model answers to.

    A price is verified when it was seen at Aihubmix itself; one in another currency is converted at a dated rate.
    """
    catalog = catalog_of(load_settings(os.environ))
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(catalog.models), indent=2).decode()
    else:
        head = ("ID", "USD PER IMAGE", "PRICE", "ALIASES")
        rows = [(row.id, span(row.price), basis(row.price), ", ".join(row.aliases)) for row in catalog.models]
        text = as_table([head, *rows])
    click.echo(text)

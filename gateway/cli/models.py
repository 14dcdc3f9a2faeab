"""`gateway models`."""

import os
from collections.abc import Iterator

import click
import msgspec

from gateway.catalog import Model
from gateway.cli.model_names import catalog_of
from gateway.cli.prices import basis, rate, span
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
        click.echo(msgspec.json.format(msgspec.json.encode(catalog.models), indent=2).decode())
        return
    rows = [(model.id, span(model.price), basis(model.price)) for model in catalog.models]
    head, *lines = as_table([("ID", "USD PER IMAGE", "PRICE"), *rows]).splitlines()
    click.echo(head)
    for line, model in zip(lines, catalog.models, strict=True):
        click.echo("\n".join([line, *_notes(model)]))


def _notes(model: Model) -> Iterator[str]:
    if model.price and model.price.currency != "USD":
        yield f"    converted from {rate(model.price)}"
    if model.aliases:
        yield f"    also {', '.join(model.aliases)}"

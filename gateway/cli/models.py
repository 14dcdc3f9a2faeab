"""`gateway models`."""

import os

import click
import msgspec

from gateway.cli.model_names import catalog_of
from gateway.settings import load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print every field of every model, for programs.")
def models(*, as_json: bool) -> None:
    """List the models that the gateway can draw with, and the other names each answers to."""
    catalog = catalog_of(load_settings(os.environ))
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(catalog.models), indent=2).decode()
    else:
        width = max(len(model.id) for model in catalog.models)
        text = "\n".join(f"{model.id:{width}}  {', '.join(model.aliases)}".rstrip() for model in catalog.models)
    click.echo(text)

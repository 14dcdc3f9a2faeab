"""`gateway models`."""

import os
from pathlib import Path

import click
import msgspec

from gateway.catalog import Catalog, CatalogError, load_catalog
from gateway.settings import Settings, SettingsError, load_settings, shipped


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print every field of every model, for programs.")
def models(*, as_json: bool) -> None:
    """List the models that the gateway can draw with, and the other names each answers to."""
    catalog = _catalog(load_settings(os.environ))
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(catalog.models), indent=2).decode()
    else:
        width = max(len(model.id) for model in catalog.models)
        text = "\n".join(f"{model.id:{width}}  {', '.join(model.aliases)}".rstrip() for model in catalog.models)
    click.echo(text)


def _catalog(settings: Settings) -> Catalog:
    try:
        return load_catalog(Path(settings.server.models or shipped("models.toml")), settings.images.aliases)
    except CatalogError as error:
        raise SettingsError(str(error)) from error

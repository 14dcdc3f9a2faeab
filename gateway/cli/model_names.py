"""Models as they are named on the command line."""

from collections.abc import Iterable
from pathlib import Path

import click

from gateway.catalog import Catalog, CatalogError, load_catalog
from gateway.errors import NotFound
from gateway.settings import Settings, SettingsError, shipped


def catalog_of(settings: Settings) -> Catalog:
    """Read the catalogue. Raises SettingsError."""
    try:
        return load_catalog(Path(settings.server.models or shipped("models.toml")), settings.images.aliases)
    except CatalogError as error:
        raise SettingsError(str(error)) from error


def model_ids(catalog: Catalog, names: Iterable[str]) -> tuple[str, ...]:
    """Give the catalogue's own ids of models by any of their names. Raises ValueError, which says what is right."""
    try:
        return tuple(dict.fromkeys(catalog.resolve(name.strip()).id for name in names))
    except NotFound as error:
        raise ValueError(f"{error.message} Here, `gateway models` does.") from None


def listed_models(settings: Settings, listed: str) -> tuple[str, ...]:
    """Read the value of --models: a list with commas, or "all", which is none. Raises click.UsageError."""
    if listed == "all":
        return ()
    if not listed.strip():  # a script's unset variable must not open every model
        raise click.UsageError("--models is empty: name some, or write all.")
    catalog = catalog_of(settings)
    try:
        return model_ids(catalog, listed.split(","))
    except ValueError as error:
        raise click.UsageError(f"--models: {error}") from None

"""`/openapi.json` and `/docs`: the interface described, in a page that loads nothing from elsewhere."""

from litestar import Router

from gateway.catalog import Catalog


def docs_router(catalog: Catalog) -> Router:
    """Make the handlers."""
    return Router("/", route_handlers=[])

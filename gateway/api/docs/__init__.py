"""`/openapi.json` and `/docs`: the interface described, in a page that loads nothing from elsewhere."""

import msgspec
from litestar import MediaType, Response, Router, get

from gateway.api.docs import page
from gateway.api.docs.openapi import describe
from gateway.catalog import Catalog


def docs_router(catalog: Catalog) -> Router:
    """Make the handlers; what they answer is rendered here, once."""
    document = describe(catalog)
    as_json = msgspec.json.encode(document)
    as_html = page.render(document).encode()

    @get("/openapi.json")
    async def show_openapi() -> Response[bytes]:
        return Response(as_json, media_type=MediaType.JSON)

    @get("/docs")
    async def show_docs() -> Response[bytes]:
        return Response(as_html, media_type=MediaType.HTML, headers={"content-security-policy": page.POLICY})

    return Router("/", route_handlers=[show_openapi, show_docs])

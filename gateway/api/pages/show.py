"""The pages themselves, and the files that they load."""

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.api.pages.assets import Assets
from gateway.api.pages.replies import page, see_other
from gateway.api.sessions import COOKIE, Sessions
from gateway.errors import NotFound

_CACHING = "public, max-age=31536000, immutable"  # another version has another path


def page_routes(*, sessions: Sessions, assets: Assets) -> list[HTTPRouteHandler]:
    """Make the handlers."""

    async def shown(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
        session = await sessions.read(request.cookies.get(COOKIE, ""))
        if session is None:
            return see_other(f"/login?next=/{name}")
        return page(assets.render(name, token=await sessions.token(session)))

    @get("/dashboard")
    async def show_dashboard(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await shown(request, "dashboard")

    @get("/playground")
    async def show_playground(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await shown(request, "playground")

    @get("/pages/{version:str}/{name:str}")
    async def show_asset(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
        asset = assets.file(name) if version == assets.version else None
        if asset is None:
            raise NotFound("There is no such file. Reload the page: the gateway has another version of it.")
        return Response(asset.data, media_type=asset.media_type, headers={"cache-control": _CACHING})

    return [show_dashboard, show_playground, show_asset]

"""`/admin/thumbnails`: small pictures of what was made lately, where the operator allows them."""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.params import FromPath

from gateway.api.admin.fields import answer
from gateway.errors import NotFound
from gateway.generation.thumbnails import Thumbnails
from gateway.store.replayable import Replayable

_MOST_OF_A_TEAM = 50


def thumbnails_router(*, thumbnails: Thumbnails | None) -> Router:
    """Make the handlers; without `thumbnails` there are none to see."""

    @get("/", query=("team",))
    async def list_thumbnails(request: Request[Any, Any, Any]) -> Response[bytes]:
        team = request.query_params.get("team")
        found = await thumbnails.newest(team, _MOST_OF_A_TEAM) if thumbnails else []
        return answer({"allowed": thumbnails is not None, "data": [_object(entry) for entry in found]})

    @get("/{team:str}/{fingerprint:str}")
    async def show_thumbnail(team: FromPath[str], fingerprint: FromPath[str]) -> Response[bytes]:
        made = await thumbnails.make(team, fingerprint) if thumbnails else None
        if made is None:
            raise NotFound("There is no such thumbnail: the picture is gone, or 'server.show_thumbnails' is off.")
        return Response(made, media_type="image/jpeg")

    return Router("/thumbnails", route_handlers=[list_thumbnails, show_thumbnail])


def _object(entry: Replayable) -> dict[str, str]:
    return {"generation": entry.generation, "url": f"/admin/thumbnails/{entry.team}/{entry.fingerprint}"}

"""`GET /v1/images/files/{name}.{ext}`: a re-hosted picture, for whoever holds its signed URL."""

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from gateway.errors import NotFound
from gateway.generation.hosting import PREFIX, Hosting
from gateway.generation.pictures import MEDIA_TYPES
from gateway.store.connection import redis_needed

_CACHING = "public, max-age=3600, immutable"


def files_route(*, hosting: Hosting) -> HTTPRouteHandler:
    """Make the handler."""

    @get(PREFIX + "{file:str}")
    async def show_file(request: Request[Any, Any, Any], file: FromPath[str]) -> Response[bytes]:
        expires, signature = request.query_params.get("expires", ""), request.query_params.get("signature", "")
        media_type = MEDIA_TYPES.get(file.rpartition(".")[2])
        if media_type is None or not expires.isascii() or not expires.isdecimal() or len(expires) > 12:
            raise _gone()
        with redis_needed():
            data = await hosting.open(PREFIX + file, int(expires), signature)
        if data is None:
            raise _gone()
        return Response(data, media_type=media_type, headers={"cache-control": _CACHING})

    return show_file


def _gone() -> NotFound:
    return NotFound(
        "There is no such picture, or its URL has expired: URLs live as long as 'images.url_life_s' says. "
        "Ask for the picture again, or for response_format 'b64_json'."
    )

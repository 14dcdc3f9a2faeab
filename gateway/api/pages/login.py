"""Logging in with the admin key, and out again."""

import math
from typing import Any
from urllib.parse import parse_qs

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler

from gateway.api.origin import PublicOrigin
from gateway.api.pages.assets import Assets
from gateway.api.pages.replies import page, see_other
from gateway.api.pages.tries import Tries
from gateway.api.sessions import COOKIE, LIFE_S, TOKEN_HEADER, Sessions
from gateway.errors import Forbidden

_PLACES = ("/dashboard", "/playground")
_MOST_BYTES = 16_384


def login_routes(*, sessions: Sessions, origin: PublicOrigin, assets: Assets, tries: Tries) -> list[HTTPRouteHandler]:
    """Make the handlers."""

    def form(place: str, complaint: str = "", status: int = 200, **headers: str) -> Response[bytes]:
        return page(assets.render("login", next=place, complaint=complaint), status, **headers)

    @get("/login")
    async def show_login(request: Request[Any, Any, Any]) -> Response[bytes]:
        return form(_place(request.query_params.get("next")))

    @post("/login", request_max_body_size=_MOST_BYTES)
    async def log_in(request: Request[Any, Any, Any]) -> Response[bytes]:
        given = parse_qs((await request.body()).decode(errors="replace"))
        place = _place(given.get("next", [""])[0])
        wait_s = math.ceil(tries.wait_s())
        if wait_s:
            return form(place, f"Too many wrong keys. Try again in {wait_s} s.", status=429, retry_after=str(wait_s))
        if not sessions.opens(given.get("key", [""])[0].strip()):
            tries.failed()
            return form(place, "That is not the admin key: it is what GATEWAY_ADMIN_KEY says.", status=401)
        response = see_other(place)
        response.set_cookie(_cookie(await sessions.open(), LIFE_S, is_https=origin.is_https(request)))
        return response

    @post("/logout", status_code=204)
    async def log_out(request: Request[Any, Any, Any]) -> Response[None]:
        session = await sessions.read(request.cookies.get(COOKIE, ""))
        if session and not await sessions.is_token(session, request.headers.get(TOKEN_HEADER, "")):
            raise Forbidden(f"Send the page's token in the header {TOKEN_HEADER}.", code="csrf_token_missing")
        if session:
            await sessions.end(session)
        left = Response(None, status_code=204, headers={"cache-control": "no-store"})
        left.set_cookie(_cookie("", 0, is_https=origin.is_https(request)))
        return left

    return [show_login, log_in, log_out]


def _cookie(value: str, life_s: int, *, is_https: bool) -> Cookie:
    return Cookie(COOKIE, value=value, max_age=life_s, path="/", httponly=True, samesite="strict", secure=is_https)


def _place(wanted: str | None) -> str:
    """Lead nowhere but to our own pages."""
    return wanted if wanted in _PLACES else _PLACES[0]

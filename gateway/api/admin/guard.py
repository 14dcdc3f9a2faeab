"""Who may administer: the holder of the admin key or of a session opened with it; nobody while there is no key."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ControllerRouterHandler

from gateway.api.sessions import COOKIE, TOKEN_HEADER, Sessions
from gateway.errors import Forbidden, GatewayError, InvalidRequest, Unauthenticated

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def guarded(admin_key: str, handlers: Sequence[ControllerRouterHandler], *, sessions: Sessions | None = None) -> Router:
    """Put `handlers` below `/admin`, behind the admin key or a session; without a key they are not there at all.

    A handler names the parameters of its query in its `opt`, as `query`; any other is refused.
    No answer may be kept by a cache, for some hold secrets.
    """
    if not admin_key:
        return Router("/admin", route_handlers=[])
    return Router(
        "/admin",
        route_handlers=handlers,
        guards=[admin_guard(admin_key, sessions), _check_query],
        response_headers={"cache-control": "no-store"},
    )


def admin_guard(admin_key: str, sessions: Sessions | None = None) -> Guard:
    """Make the check of a request's admin key, in constant time, or of its session where it sends no key.

    The check raises Unauthenticated; Forbidden where a session's request would change something without its token.
    """
    expected = hashlib.sha256(admin_key.encode()).digest()

    async def check(connection: Connection, _: BaseRouteHandler) -> None:
        scheme, _space, presented = connection.headers.get("authorization", "").partition(" ")
        given = presented.strip() if scheme.lower() == "bearer" else ""
        if not given:
            await _check_session(connection, sessions)
            return
        # Hashed, so that not even the length tells; Latin-1 is how HTTP headers become text.
        if not hmac.compare_digest(hashlib.sha256(given.encode("latin-1")).digest(), expected):
            raise Unauthenticated("Incorrect admin key provided. It is what the gateway's GATEWAY_ADMIN_KEY says.")

    return check


async def _check_query(connection: Connection, handler: BaseRouteHandler) -> None:
    known: Sequence[str] = handler.opt.get("query", ())
    there_are = f"there are: {', '.join(known)}" if known else "there is none"
    for name in connection.query_params:
        if name not in known:
            raise InvalidRequest(
                f"There is no query parameter '{name[:80]}' here; {there_are}.",
                code="unknown_parameter",
                param=name[:80],
            )
        if len(connection.query_params.getall(name)) > 1:
            raise InvalidRequest(f"The query parameter '{name}' is given more than once.", param=name)


async def _check_session(connection: Connection, sessions: Sessions | None) -> None:
    session = await sessions.read(connection.cookies.get(COOKIE, "")) if sessions else None
    if sessions is None or session is None:
        missing: GatewayError = Unauthenticated("The admin key is needed: send it as Authorization: Bearer ADMIN_KEY.")
        missing.code = None  # as where no API key is sent
        raise missing
    # A page from elsewhere can make a browser send the cookie, but neither read the token nor set a header.
    scope: Any = connection.scope
    reads = scope["method"] in {"GET", "HEAD"}
    if not reads and not await sessions.is_token(session, connection.headers.get(TOKEN_HEADER, "")):
        raise Forbidden(
            f"This would change something, so a session's request needs its token in the header {TOKEN_HEADER}.",
            code="csrf_token_missing",
        )

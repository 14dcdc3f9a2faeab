"""Who may administer: the holder of the admin key, and nobody while there is none."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ControllerRouterHandler

from gateway.errors import GatewayError, Unauthenticated

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]


def guarded(admin_key: str, handlers: Sequence[ControllerRouterHandler]) -> Router:
    """Put `handlers` below `/admin`, behind the admin key; without one they are not there at all.

    No answer may be kept by a cache, for some hold secrets.
    """
    if not admin_key:
        return Router("/admin", route_handlers=[])
    return Router(
        "/admin",
        route_handlers=handlers,
        guards=[admin_guard(admin_key)],
        response_headers={"cache-control": "no-store"},
    )


def admin_guard(admin_key: str) -> Guard:
    """Make the check of a request's admin key, in constant time. It raises Unauthenticated."""
    expected = hashlib.sha256(admin_key.encode()).digest()

    def check(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        scheme, _space, presented = connection.headers.get("authorization", "").partition(" ")
        given = presented.strip() if scheme.lower() == "bearer" else ""
        if not given:
            missing: GatewayError = Unauthenticated(
                "The admin key is needed: send it as Authorization: Bearer ADMIN_KEY."
            )
            missing.code = None  # as where no API key is sent
            raise missing
        # Hashed, so that not even the length tells; Latin-1 is how HTTP headers become text.
        if not hmac.compare_digest(hashlib.sha256(given.encode("latin-1")).digest(), expected):
            raise Unauthenticated("Incorrect admin key provided. It is what the gateway's GATEWAY_ADMIN_KEY says.")

    return check

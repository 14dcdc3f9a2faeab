"""`/dashboard` and `/playground`: pages for people, who log in with the admin key at `/login`."""

from collections.abc import Callable

from litestar import Router

from gateway.api.origin import PublicOrigin
from gateway.api.pages.assets import Assets
from gateway.api.pages.login import login_routes
from gateway.api.pages.show import page_routes
from gateway.api.pages.tries import Tries
from gateway.api.sessions import Sessions


def pages_router(*, admin_key: str, sessions: Sessions, origin: PublicOrigin, clock: Callable[[], float]) -> Router:
    """Make the handlers; without an `admin_key` there are none. `clock` is monotonic, in seconds."""
    if not admin_key:
        return Router("/", route_handlers=[])
    assets = Assets()
    return Router(
        "/",
        route_handlers=[
            *login_routes(sessions=sessions, origin=origin, assets=assets, tries=Tries(clock)),
            *page_routes(sessions=sessions, assets=assets),
        ],
    )

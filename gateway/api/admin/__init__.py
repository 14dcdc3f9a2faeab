"""`/admin/...`: keys and teams over HTTP, for whoever holds the admin key."""

from collections.abc import Callable, Sequence

from litestar import Router
from litestar.types import ControllerRouterHandler

from gateway.api.admin.guard import guarded
from gateway.api.admin.keys import keys_router
from gateway.api.admin.teams import teams_router
from gateway.api.sessions import Sessions
from gateway.catalog import Catalog
from gateway.store.keys import Keys
from gateway.store.teams import Teams


def admin_router(
    *,
    admin_key: str,
    keys: Keys,
    teams: Teams,
    catalog: Catalog,
    clock: Callable[[], float],
    others: Sequence[ControllerRouterHandler] = (),
    sessions: Sessions | None = None,
) -> Router:
    """Make the handlers below `/admin`, those of `others` included; without an `admin_key` there are none.

    A session of `sessions` opens them as well. `clock` gives unix seconds.
    """
    return guarded(
        admin_key,
        [keys_router(keys=keys, catalog=catalog, clock=clock), teams_router(teams=teams), *others],
        sessions=sessions,
    )

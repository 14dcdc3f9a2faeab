"""`/admin/standings`: how far teams and keys are into their limits."""

from typing import Any

from litestar import Request, Response, Router, get

from gateway.api.admin.fields import answer
from gateway.store.money import in_dollars
from gateway.store.standings import Standing, Standings


def standings_router(*, standings: Standings) -> Router:
    """Make the handler."""

    @get("/")
    async def list_standings(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await standings.read(request.query_params.get("team"))
        return answer({"data": [_object(standing) for standing in found]})

    return Router("/standings", route_handlers=[list_standings])


def _object(standing: Standing) -> dict[str, Any]:
    return {
        "team": standing.team,
        "key": standing.key,
        "images_today": standing.images,
        "cost_usd_this_month": in_dollars(standing.cost),
        "under_way": standing.under_way,
    }

"""`/admin/consumption`: how far teams and keys are into their limits."""

from typing import Any

from litestar import Request, Response, Router, get

from gateway.api.admin.fields import answer
from gateway.store.consumption import Consumption, ConsumptionReader
from gateway.store.money import in_dollars


def consumption_router(*, consumption: ConsumptionReader) -> Router:
    """Make the handler."""

    @get("/", query=("team",))
    async def list_consumption(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await consumption.read(request.query_params.get("team"))
        return answer({"data": [_object(one) for one in found]})

    return Router("/consumption", route_handlers=[list_consumption])


def _object(one: Consumption) -> dict[str, Any]:
    return {
        "team": one.team,
        "key": one.key,
        "images_today": one.images,
        "cost_usd_this_month": in_dollars(one.cost),
        "under_way": one.under_way,
    }

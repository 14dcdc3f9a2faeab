"""`/admin/brakes`: a budget of the whole gateway, and models switched off."""

from typing import Any

from litestar import Request, Response, Router, get, put

from gateway.api.admin.fields import answer, read_object
from gateway.catalog import Catalog
from gateway.errors import InvalidRequest, NotFound
from gateway.store.books_objects import brakes_object
from gateway.store.brakes import Brakes
from gateway.store.connection import redis_needed
from gateway.store.limits import BUDGET, KINDS, read_limits


def brakes_router(*, brakes: Brakes, catalog: Catalog) -> Router:
    """Make the handlers."""

    async def told() -> Response[bytes]:
        with redis_needed():
            return answer(brakes_object(await brakes.read(), await brakes.spent()))

    @get("/")
    async def show_brakes() -> Response[bytes]:
        return await told()

    @put("/")
    async def put_brakes(request: Request[Any, Any, Any]) -> Response[bytes]:
        fields = await read_object(request, (BUDGET, "off"), is_needed=True)
        budget = read_limits({BUDGET: fields.get(BUDGET)})[KINDS[BUDGET].inside]
        off = _off(fields.get("off"), catalog)
        with redis_needed():
            was_off = (await brakes.read()).off
        await brakes.set_budget(budget)
        for model, reason in off.items():
            await brakes.switch_off(model, reason)
        for model in was_off.keys() - off.keys():
            await brakes.switch_on(model)
        return await told()

    return Router("/brakes", route_handlers=[show_brakes, put_brakes])


def _off(given: object, catalog: Catalog) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(reason, str) for reason in given.values()):
        raise InvalidRequest("off: expected an object of model and reason.", code="invalid_type", param="off")
    try:
        return {catalog.resolve(model).id: reason for model, reason in given.items()}
    except NotFound as error:
        raise InvalidRequest(error.message, param="off") from None

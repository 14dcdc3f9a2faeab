"""`/admin/generations`: what is under way, what is in dispute, what became of one; and `/admin/cache/purge`."""

from decimal import Decimal
from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.params import FromPath

from gateway.api.admin.fields import answer, read_object, text
from gateway.api.admin.usage import choice
from gateway.catalog import Catalog
from gateway.errors import InvalidRequest, NotFound
from gateway.store.books_objects import entry_object, generation_object, resolved_object, told_object
from gateway.store.brakes import Brakes
from gateway.store.connection import redis_needed
from gateway.store.generations import GenerationRecords
from gateway.store.key_record import check_team
from gateway.store.ledger import Ledger
from gateway.store.money import micro_dollars

_MOST_SETTLED = 1000


def generations_router(*, generations: GenerationRecords, brakes: Brakes) -> Router:
    """Make the handlers."""

    @get("/", query=("team", "state", "count"))
    async def list_generations(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = request.query_params
        team, state = asked.get("team"), choice(asked.get("state", "open"), ("open", "unknown", "all"), "state")
        count = _count(asked.get("count", "50"))
        found = await generations.under_way(team) if state != "unknown" else []
        found += await generations.unresolved(team) if state != "open" else []
        told: dict[str, Any] = {"data": [generation_object(record) for record in found]}
        if state == "all":
            entries = await generations.settlements(team, count)
            told["settlements"] = [entry_object(entry) for entry in entries]
        return answer(told)

    @get("/{generation_id:str}")
    async def show_generation(generation_id: FromPath[str]) -> Response[bytes]:
        return answer(told_object(await generations.show(generation_id)))

    @post("/{generation_id:str}/resolve", status_code=200)
    async def resolve(request: Request[Any, Any, Any], generation_id: FromPath[str]) -> Response[bytes]:
        fields = await read_object(request, ("charged", "cost_usd", "note", "by"))
        charged = fields.get("charged")
        if not isinstance(charged, bool):
            raise InvalidRequest("charged: expected true or false.", code="invalid_type", param="charged")
        resolved = await generations.resolve(
            generation_id,
            charged=charged,
            cost=_cost(fields.get("cost_usd")),
            by=text(fields, "by") or "admin API",
            note=text(fields, "note") or "",
        )
        with redis_needed():
            await brakes.settle(generation_id, resolved.cost, before=(resolved.month, resolved.cost_before))
        return answer(resolved_object(generation_id, resolved))

    return Router("/generations", route_handlers=[list_generations, show_generation, resolve])


def cache_router(*, ledger: Ledger, generations: GenerationRecords, catalog: Catalog) -> Router:
    """Make the handler that drops cache entries: all, or those of a team, a model, a generation."""

    @post("/purge", status_code=200)
    async def purge(request: Request[Any, Any, Any]) -> Response[bytes]:
        fields = await read_object(request, ("team", "model", "generation"))
        team, model = text(fields, "team"), text(fields, "model")
        if team:
            check_team(team)
        try:
            model_id = catalog.resolve(model).id if model else ""
        except NotFound as error:
            raise InvalidRequest(error.message, param="model") from None
        generation = text(fields, "generation") or ""
        teams = [team] if team else await generations.teams()
        with redis_needed():
            dropped = [await ledger.purge(name, model=model_id, generation=generation) for name in teams]
        return answer({"dropped": sum(dropped)})

    return Router("/cache", route_handlers=[purge])


def _count(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:6]) <= _MOST_SETTLED):
        raise InvalidRequest(f"count = {value[:80]!r}: expected a number from 1 to {_MOST_SETTLED}.", param="count")
    return int(value)


def _cost(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidRequest("cost_usd: expected an amount of dollars.", code="invalid_type", param="cost_usd")
    try:
        return micro_dollars(value)
    except ValueError as error:
        raise InvalidRequest(f"cost_usd: {error}.", param="cost_usd") from None

"""`/admin/usage`: what was used, and the proof of it."""

from collections.abc import Callable
from typing import Any, cast, get_args

from litestar import Request, Response, Router, get

from gateway.api.admin.fields import answer
from gateway.errors import InvalidRequest
from gateway.store.books_objects import proof_object, report_csv, report_object
from gateway.store.days import read_day
from gateway.store.generations import GenerationRecords
from gateway.store.reconciliation import Reconciliation
from gateway.store.usage import Grouping, UsageReports


def usage_router(
    *,
    usage: UsageReports,
    generations: GenerationRecords,
    reconciliation: Reconciliation,
    clock: Callable[[], float],
) -> Router:
    """Make the handlers. `clock` gives unix seconds."""

    @get("/", query=("team", "since", "until", "by", "format"))
    async def report(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = request.query_params
        days = {}
        for name, otherwise in (("since", "30d"), ("until", "today")):
            try:
                days[name] = read_day(asked.get(name, otherwise), clock())
            except ValueError as error:
                raise InvalidRequest(f"{name}: {error}", param=name) from None
        by = choice(asked.get("by", "day"), get_args(Grouping), "by")
        form = choice(asked.get("format", "json"), ("json", "csv"), "format")
        made = await usage.report(days["since"], days["until"], by=cast(Grouping, by), team=asked.get("team"))
        if form == "csv":
            return Response(report_csv(made).encode(), media_type="text/csv")
        return answer(report_object(made))

    @get("/check", query=("team",))
    async def check(request: Request[Any, Any, Any]) -> Response[bytes]:
        team = request.query_params.get("team")
        teams = [team] if team else await generations.teams()
        proofs = [await reconciliation.prove(name, clock()) for name in teams]
        agree = not any(proof.differences for proof in proofs)
        return answer({"ok": agree, "data": [proof_object(proof) for proof in proofs]})

    return Router("/usage", route_handlers=[report, check])


def choice(value: str, known: tuple[str, ...], param: str) -> str:
    """Take one of a few words; raises InvalidRequest."""
    if value not in known:
        raise InvalidRequest(f"{param} = {value[:80]!r}: expected one of {', '.join(known)}.", param=param)
    return value

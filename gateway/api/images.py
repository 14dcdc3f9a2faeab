"""`POST /v1/images/generations`: the one image endpoint."""

import base64
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from litestar import MediaType, Request, Response, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from gateway.api import stream, wire
from gateway.api.auth import authenticate, permit
from gateway.api.origin import PublicOrigin
from gateway.api.patience import Patience, deadline_s
from gateway.errors import GatewayError
from gateway.generation.engine import Generation, Generations, Outcome
from gateway.generation.hosting import Hosting
from gateway.generation.pictures import EXTENSIONS, MEDIA_TYPES, Picture
from gateway.generation.plan import Planner
from gateway.store.connection import RedisTrouble
from gateway.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long requests wait, in seconds: at most `longest_s`; a stream gives a sign of life every `keepalive_s`."""

    longest_s: float
    keepalive_s: float


def generations_route(
    *,
    keys: Keys,
    planner: Planner,
    generations: Generations,
    hosting: Hosting,
    origin: PublicOrigin,
    waiting: Waiting,
    clock: Callable[[], float],
) -> HTTPRouteHandler:
    """Make the handler. `clock` gives unix seconds."""

    @post("/v1/images/generations", status_code=200)
    async def generate(request: Request[Any, Any, Any]) -> Response[bytes] | Stream:
        facts = request.scope["state"]["facts"]
        principal = await authenticate(request, keys)
        _check_media_type(request)
        plan = planner.plan(wire.read_fields(await request.body()))
        facts["model"] = plan.model.id
        permit(principal, plan.model)
        generation = generations.start(
            plan, team=principal.team, key_id=principal.key_id, is_retry=_is_retry(request.headers)
        )
        facts["generation_id"] = generation.id
        seconds = deadline_s(request.headers, waiting.longest_s)
        async with AsyncExitStack() as stack:
            patience = await stack.enter_async_context(Patience(generations, generation, request, seconds))
            outcome = await patience.outcome(waiting.keepalive_s if plan.stream else None)
            if outcome is None:
                content = stream.events(
                    patience,
                    stack.pop_all(),
                    keepalive_s=waiting.keepalive_s,
                    clock=clock,
                    any_size=_takes_any_size(request.headers),
                )
                return stream.respond(content, disclosures(generation, None))
        return await answer(request, generation, outcome)

    async def answer(request: Request[Any, Any, Any], generation: Generation, outcome: Outcome) -> Response[bytes]:
        plan = generation.plan
        headers = disclosures(generation, outcome)
        facts = {"images": len(outcome.pictures), "cost_usd": headers.get("x-gateway-cost-usd")}
        request.scope["state"]["facts"] |= facts
        any_size = _takes_any_size(request.headers)
        if plan.stream:
            event = stream.event_of(plan, outcome, created=int(clock()), any_size=any_size)
            return Response(event, media_type=stream.MEDIA_TYPE, headers=stream.HEADERS | headers)
        urls = None
        if plan.response_format == "url":
            urls = [await _url(hosting, origin.of(request), picture, headers) for picture in outcome.pictures]
        body = wire.respond(plan, outcome, created=int(clock()), urls=urls, any_size=any_size)
        return Response(body, media_type=MediaType.JSON, headers=headers)

    return generate


def _is_retry(headers: Mapping[str, str]) -> bool:
    return headers.get("x-stainless-retry-count", "0") not in {"", "0"}


def _takes_any_size(headers: Mapping[str, str]) -> bool:
    """Tell whether the client is none of the openai-pythons before 3.0, whose strict models take three sizes only."""
    major = headers.get("x-stainless-package-version", "").partition(".")[0]
    return headers.get("x-stainless-lang") != "python" or major not in {"0", "1", "2"}


def disclosures(generation: Generation, outcome: Outcome | None) -> dict[str, str]:
    """Tell in headers what it cost, as soon as that is known, and where the picture differs from the wish."""
    plan = generation.plan
    headers = {"x-gateway-generation-id": generation.id, "x-gateway-cache": "bypass"}
    if outcome is not None and outcome.cost is not None:
        headers["x-gateway-cost-usd"] = dollars(outcome.cost)
    if plan.adjusted:
        headers["x-gateway-adjusted"] = _pairs(plan.adjusted)
    if plan.ignored:
        headers["x-gateway-ignored"] = ",".join(name for name in map(_token, plan.ignored) if name)
    return headers


def dollars(micro: int) -> str:
    """Render micro-dollars as a decimal, without trailing zeros."""
    return f"{micro / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _pairs(adjusted: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in adjusted.items())


def _token(name: str) -> str:
    """Make a client's own key fit for a header."""
    return "".join(char for char in name[:64] if char.isascii() and (char.isalnum() or char in "-_."))


async def _url(hosting: Hosting, origin: str, picture: Picture, headers: dict[str, str]) -> str:
    """Host a picture; while the store does not answer it travels in a data URL, disclosed, for it is paid for."""
    try:
        return origin + await hosting.publish(picture)
    except (GatewayError, *RedisTrouble):
        headers["x-gateway-adjusted"] = ",".join(filter(None, [headers.get("x-gateway-adjusted"), "url=data"]))
        media = MEDIA_TYPES[EXTENSIONS[picture.format]]
        return f"data:{media};base64,{base64.b64encode(picture.data).decode()}"


def _check_media_type(request: Request[Any, Any, Any]) -> None:
    """Take JSON, and a body that does not say what it is."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise HTTPException(status_code=415, detail=f"content-type '{kind[:60]}' is not JSON")

"""`POST /v1/images/generations`: the one image endpoint."""

import base64
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from litestar import MediaType, Request, post
from litestar.exceptions import HTTPException, InternalServerException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from gateway.api import stream, wire
from gateway.api.auth import identify
from gateway.api.caching import idempotency_of, policy_of
from gateway.api.disclosure import disclosures
from gateway.api.errors import ClientLeft
from gateway.api.origin import PublicOrigin
from gateway.api.patience import Patience, deadline_s
from gateway.api.ratelimit import ratelimit_headers
from gateway.api.reply import Reply, StreamedReply
from gateway.api.stream import outcome_facts
from gateway.errors import GatewayError
from gateway.generation.admission import Wish
from gateway.generation.delivery import together
from gateway.generation.engine import Generations
from gateway.generation.hosting import Hosting
from gateway.generation.outcome import Outcome
from gateway.generation.pictures import EXTENSIONS, MEDIA_TYPES, Picture
from gateway.generation.plan import Plan, Planner
from gateway.generation.ticket import Ticket
from gateway.store.connection import RedisTrouble
from gateway.store.identity import Identity
from gateway.store.journal import Verdict
from gateway.store.keys import Keys

_LONGEST_USER = 128


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
    async def generate(request: Request[Any, Any, Any]) -> ASGIApp:
        facts = request.scope["state"]["facts"]
        identity, presented = await identify(request, keys)
        _check_media_type(request)
        fields = wire.read_fields(await _body(request))
        plan = planner.plan(fields)
        facts["model"] = plan.model.id
        wish = _wish(request, identity, presented, plan, fields)
        facts["phases"] = [wish.phases]
        ticket = await generations.start(wish)
        facts |= {"generation_id": ticket.id, "cache": ticket.cache}
        if ticket.leads is not None:
            facts["phases"].append(ticket.leads.phases)
        seconds = deadline_s(request.headers, waiting.longest_s)
        any_size = _takes_any_size(request.headers)
        with ExitStack() as stack:
            patience = stack.enter_context(Patience(generations, ticket, request, seconds))
            if not plan.stream:
                reply = await answer(request, ticket, plan, await patience.outcome(), any_size=any_size)
                return deliver(reply, ticket, patience, stack)
            events = stream.Events(plan, ticket, patience, facts, clock=clock, any_size=any_size)
            first = await patience.outcome_within(waiting.keepalive_s)
            headers = stream.HEADERS | disclosures(ticket, plan, first)
            if first is not None:
                reply = Reply(events.completed(first), stream.MEDIA_TYPE, headers)
                return deliver(reply, ticket, patience, stack)
            return StreamedReply(events.all(waiting.keepalive_s), stream.MEDIA_TYPE, headers, stack.pop_all())

    async def answer(
        request: Request[Any, Any, Any], ticket: Ticket, plan: Plan, outcome: Outcome, *, any_size: bool
    ) -> Reply:
        headers = disclosures(ticket, plan, outcome)
        request.scope["state"]["facts"] |= outcome_facts(ticket, outcome)
        urls = None
        if plan.response_format == "url":
            urls = await published(hosting, origin.of(request), outcome.pictures, headers)
        body = wire.respond(plan, outcome, created=int(clock()), urls=urls, any_size=any_size)
        return Reply(body, MediaType.JSON, headers)

    return generate


def deliver(reply: Reply, ticket: Ticket, patience: Patience, stack: ExitStack) -> ASGIApp:
    """Send a reply; where a retry could claim the pictures, the patience lasts until it has been sent."""
    if ticket.may_be_claimed:
        return StreamedReply(patience.sending(reply.body), reply.media_type, reply.headers, stack.pop_all())
    patience.answered()
    return reply


def _wish(
    request: Request[Any, Any, Any], identity: Identity, presented: str, plan: Plan, fields: Mapping[str, Any]
) -> Wish:
    headers = request.headers
    idempotency, body = idempotency_of(headers.getall("idempotency-key", []), fields)

    def tell(verdict: Verdict) -> None:
        request.scope["state"]["reply_headers"] = ratelimit_headers(verdict)

    return Wish(
        plan,
        identity.team,
        identity.key_id,
        presented=presented,
        policy=policy_of(headers.getall("cache-control", [])),
        is_retry=_is_retry(headers),
        idempotency=idempotency,
        body=body,
        user=_user(fields),
        tell=tell,
    )


def _user(fields: Mapping[str, Any]) -> str:
    """Take the end user's name, for the usage record."""
    named = fields.get("safety_identifier") or fields.get("user")
    return named[:_LONGEST_USER] if isinstance(named, str) else ""


async def published(hosting: Hosting, origin: str, pictures: list[Picture], headers: dict[str, str]) -> list[str]:
    """Host the pictures; while the store does not answer they travel in data URLs, disclosed, for they are paid for."""
    try:
        return [origin + path for path in await together([hosting.publish(picture) for picture in pictures])]
    except (GatewayError, *RedisTrouble):
        headers["x-gateway-adjusted"] = ",".join(filter(None, [headers.get("x-gateway-adjusted"), "url=data"]))
        return [_data_url(picture) for picture in pictures]


def _data_url(picture: Picture) -> str:
    media = MEDIA_TYPES[EXTENSIONS[picture.format]]
    return f"data:{media};base64,{base64.b64encode(picture.data).decode()}"


async def _body(request: Request[Any, Any, Any]) -> bytes:
    try:
        return await request.body()
    except InternalServerException as error:  # what Litestar makes of an upload that breaks off
        raise ClientLeft from error


def _is_retry(headers: Mapping[str, str]) -> bool:
    return headers.get("x-stainless-retry-count", "0") not in {"", "0"}


def _takes_any_size(headers: Mapping[str, str]) -> bool:
    """Tell whether the client is none of the openai-pythons before 3.0, whose strict models take three sizes only."""
    major = headers.get("x-stainless-package-version", "").partition(".")[0]
    return headers.get("x-stainless-lang") != "python" or major not in {"0", "1", "2"}


def _check_media_type(request: Request[Any, Any, Any]) -> None:
    """Take JSON, and a body that does not say what it is."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise HTTPException(status_code=415, detail=f"content-type '{kind[:60]}' is not JSON")

"""All wiring, in the order in which a request walks through it: the file to read first."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import httpx
from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.api.access import Access
from gateway.api.admin import admin_router
from gateway.api.admin.brakes import brakes_router
from gateway.api.admin.consumption import consumption_router
from gateway.api.admin.generations import cache_router, generations_router
from gateway.api.admin.models import models_router as admin_models_router
from gateway.api.admin.thumbnails import thumbnails_router
from gateway.api.admin.usage import usage_router
from gateway.api.docs import docs_router
from gateway.api.errors import handle
from gateway.api.files import files_route
from gateway.api.health import Readiness, health_router
from gateway.api.images import Waiting, generations_route
from gateway.api.models import models_router
from gateway.api.origin import PublicOrigin
from gateway.api.pages import pages_router
from gateway.api.sessions import Sessions
from gateway.catalog import load_catalog
from gateway.generation.archive import Archive
from gateway.generation.asking import Asking
from gateway.generation.braking import Braking
from gateway.generation.engine import Generations
from gateway.generation.hosting import Hosting
from gateway.generation.keeper import Keeper
from gateway.generation.limits import Circuits, Slots
from gateway.generation.making import Maker
from gateway.generation.pictures import Pictures
from gateway.generation.plan import Planner
from gateway.generation.running import Running
from gateway.generation.thumbnails import Thumbnails
from gateway.generation.waiting import Endings
from gateway.parts import StoredSigner, make_delivery, make_downloader, make_driver, make_upstream
from gateway.scrape import exposition
from gateway.settings import Settings, shipped
from gateway.store.blobs import FRESH_S, Blobs
from gateway.store.brakes import Brakes
from gateway.store.channel import Channel
from gateway.store.clients import connect_stores
from gateway.store.consumption import ConsumptionReader
from gateway.store.ended_sessions import EndedSessions
from gateway.store.generations import GenerationRecords
from gateway.store.keys import Keys
from gateway.store.ledger import ENDED, Ledger
from gateway.store.probe import try_write
from gateway.store.reconciliation import Reconciliation
from gateway.store.replayable import ReplayableResults
from gateway.store.rules import rules_of
from gateway.store.scripts import Scripts
from gateway.store.spool import Spool
from gateway.store.teams import Teams
from gateway.store.timing import Timed
from gateway.store.usage import UsageReports
from gateway.store.watermark import Watermark
from gateway.telemetry.events import Emit, Event
from gateway.telemetry.lines import LogListener
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.tracing import Tracing
from gateway.telemetry.tracing import begin as tracing_begun
from gateway.telemetry.turns import ByTurn

_CHORES_END_S = 5.0


class Gateway:
    """The ASGI application; `stopping` is to be called when SIGTERM arrives."""

    def __init__(self, app: ASGIApp, stopping: Callable[[], None]) -> None:
        self._app = app
        self.stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the server's start and end."""
        await self._app(scope, receive, send)


def create_app(
    settings: Settings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    tracing: Tracing | None = None,
    around_telemetry: Callable[[Emit], Emit] = lambda emit: emit,
) -> Gateway:
    """Build the application; nothing connects before its first use.

    Without `tracing`, OpenTelemetry's variables in the environment decide about it. `around_telemetry` wraps what
    writes logs and counts metrics.

    Raises:
        CatalogError: the model catalogue cannot be used.

    """
    catalog = load_catalog(Path(settings.server.models or shipped("models.toml")), settings.images.aliases)
    metrics = Metrics((model.id for model in catalog.models), most_teams=settings.metrics.max_teams)
    tracing = tracing or tracing_begun(os.environ)
    emit = _all(around_telemetry(_all(LogListener(), ByTurn(metrics))), *([tracing] if tracing else []))
    state, blobs_redis = connect_stores(settings)
    timed = Timed(emit)
    blobs = Blobs(blobs_redis, timed)
    keys = Keys(state, known_s=settings.keys.cache_s, unknown_size=settings.keys.unknown_cache)
    upstream = make_upstream(settings, transport)
    downloader = make_downloader(settings, transport)
    pictures = Pictures(threads=settings.images.transcode_threads, max_pixels=settings.images.max_pixels)
    scripts = Scripts(
        state, wait_replicas=settings.redis.durability == "wait", wait_ms=settings.redis.wait_ms, timed=timed
    )
    ledger = Ledger(scripts, state, rules_of(settings))
    endings = Endings(ledger, Channel(state, ENDED).messages, check_s=settings.generations.check_s, emit=emit)
    archive = Archive(blobs, memory_bytes=settings.cache.memory_bytes)
    slots = Slots(max_in_flight=settings.limits.max_in_flight, max_queued=settings.limits.max_queued)
    maker = Maker(
        make_driver(settings, upstream, emit),
        make_delivery(settings, downloader, pictures, emit),
        archive,
        slots=slots,
        clock=time.monotonic,
        emit=emit,
    )
    records = GenerationRecords(state, ledger)
    brakes = Brakes(state, scripts)
    braking = Braking(brakes, records.cost)
    spool = Spool(Path(settings.server.state_dir) / "spool", ledger, booked=brakes.settle, now=time.time, emit=emit)
    asking = Asking(
        ledger,
        spool if settings.redis.down == "allow" else None,
        ttl_s=settings.cache.ttl_s,
        clock=time.monotonic,
        now=time.time,
        emit=emit,
    )
    generations = Generations(
        asking,
        maker,
        archive,
        endings,
        Running(clock=time.monotonic, emit=emit),
        ledger=ledger,
        catalog=catalog,
        slots=slots,
        circuits=Circuits(
            failures=settings.limits.circuit_failures,
            open_s=settings.limits.circuit_open_s,
            clock=time.monotonic,
            emit=emit,
        ),
        braking=braking,
        kept_s=max(settings.cache.ttl_s, settings.cache.unclaimed_s, settings.images.url_life_s + FRESH_S),
        most_waiting=settings.limits.max_waiting,
        clock=time.monotonic,
        emit=emit,
    )
    keeper = Keeper(
        generations,
        asking,
        ledger,
        endings,
        spool=spool,
        braking=braking,
        watermark=Watermark(state, blobs_redis, high=settings.cache.high_water),
        teams=keys.teams,
        sweep_s=settings.generations.sweep_s,
        random=random.random,
        emit=emit,
    )
    signer = StoredSigner(state, settings)
    sessions = Sessions(settings.server.admin_key, signer=signer, ended=EndedSessions(state), clock=time.time)
    thumbnails = Thumbnails(ReplayableResults(state), archive, clock=time.monotonic)
    hosting = Hosting(blobs, signer=signer, life_s=settings.images.url_life_s, clock=time.time)
    readiness = Readiness(lambda: try_write(state))
    origin = PublicOrigin(settings.server.public_url, settings.server.trusted_proxies)

    admin = admin_router(
        admin_key=settings.server.admin_key,
        keys=keys,
        teams=Teams(state),
        catalog=catalog,
        clock=time.time,
        others=[
            usage_router(
                usage=UsageReports(state),
                generations=records,
                reconciliation=Reconciliation(state, scripts, retention_days=settings.usage.retention_days),
                clock=time.time,
            ),
            generations_router(generations=records, brakes=brakes),
            cache_router(ledger=ledger, generations=records, catalog=catalog),
            brakes_router(brakes=brakes, catalog=catalog),
            consumption_router(consumption=ConsumptionReader(state, clock=time.time)),
            admin_models_router(catalog=catalog, default_model=settings.images.default_model),
            thumbnails_router(thumbnails=thumbnails if settings.server.show_thumbnails else None),
        ],
        sessions=sessions,
    )

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        chores = asyncio.ensure_future(keeper.run())
        yield
        readiness.draining = True
        await generations.drain()
        chores.cancel()
        await asyncio.wait([chores], timeout=_CHORES_END_S)  # they use what is closed below
        pictures.close()
        thumbnails.close()
        await _close(upstream, downloader, state, blobs_redis, *([tracing] if tracing else []))

    app = Litestar(
        route_handlers=[
            generations_route(
                keys=keys,
                planner=Planner(
                    catalog,
                    default_model=settings.images.default_model,
                    strict_params=settings.images.strict_params,
                ),
                generations=generations,
                hosting=hosting,
                origin=origin,
                waiting=Waiting(settings.server.request_timeout_s, settings.server.stream_keepalive_s),
                clock=time.time,
            ),
            models_router(keys=keys, catalog=catalog),
            files_route(hosting=hosting),
            health_router(
                readiness=readiness,
                exposition=None
                if settings.metrics.port
                else exposition(settings, state, blobs_redis, metrics.registry),
            ),
            docs_router(catalog),
            admin,
            pages_router(admin_key=settings.server.admin_key, sessions=sessions, origin=origin, clock=time.monotonic),
        ],
        exception_handlers={Exception: handle},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,  # ours is set up by the worker
        request_max_body_size=settings.server.max_body_bytes,
    )

    def stopping() -> None:
        readiness.draining = True
        stopping.task = asyncio.ensure_future(generations.hand_over())  # type: ignore[attr-defined]  # kept from the collector

    access = Access(app, clock=time.monotonic, emit=emit)
    return Gateway(tracing.wrap(access) if tracing else access, stopping)


class _Closes(Protocol):
    async def aclose(self) -> None: ...


async def _close(*parts: _Closes) -> None:
    for part in parts:
        await part.aclose()


def _all(*listeners: Emit) -> Emit:
    if len(listeners) == 1:
        return listeners[0]

    def emit(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return emit

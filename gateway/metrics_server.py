"""The process that answers at `metrics.port` for all workers: the launcher's child, handed its settings as they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Response, get
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from gateway.scrape import exposition
from gateway.settings import Settings
from gateway.store.clients import connect_stores
from gateway.worker import serve


def create_metrics_app(settings: Settings) -> ASGIApp:
    """Build the application, which has one path; nothing connects before its first use."""
    state, blobs = connect_stores(settings)
    exposed = exposition(settings, state, blobs, CollectorRegistry())

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        body, content_type = await exposed.render()
        return Response(body, headers={"content-type": content_type})  # as a media type it gets a second charset

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        yield
        await state.aclose()
        await blobs.aclose()

    return Litestar([metrics], lifespan=[lifespan], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    serve(create_metrics_app)

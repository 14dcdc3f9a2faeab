"""What answers a scrape, whichever process is asked: the clients of both stores, and the exposition over them."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from gateway.settings import Settings
from gateway.store.brakes import Brakes
from gateway.store.connection import Client, connect
from gateway.store.scripts import Scripts
from gateway.store.standing import StandingReader
from gateway.telemetry import shared
from gateway.telemetry.exposition import Exposition


def connect_stores(settings: Settings) -> tuple[Client, Client]:
    """Make the clients of state and of blobs; they connect on first use."""
    urls = (settings.redis.url, settings.blobs.url or settings.redis.url)
    timeouts = (settings.redis.command_timeout_s, settings.blobs.command_timeout_s)
    state, blobs = (
        connect(**(settings.redis.connection() | {"url": url, "command_timeout_s": timeout_s}))
        for url, timeout_s in zip(urls, timeouts, strict=True)
    )
    return state, blobs


def exposition(settings: Settings, state: Client, blobs: Client, own: CollectorRegistry) -> Exposition:
    """Make the exposition of all workers where they share files, else of `own`."""
    folder = shared.directory()
    counted: Callable[[], CollectorRegistry] = (lambda: shared.registry_of_all(folder)) if folder else lambda: own
    reader = StandingReader(state, blobs, Brakes(state, Scripts(state)), clock=time.monotonic)
    return Exposition(counted, reader.read, most_teams=settings.metrics.max_teams)

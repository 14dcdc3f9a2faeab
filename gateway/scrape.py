"""What answers a scrape, whichever process is asked."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from gateway.settings import Settings
from gateway.store.brakes import Brakes
from gateway.store.connection import Client
from gateway.store.scripts import Scripts
from gateway.store.standing import StandingReader
from gateway.telemetry import shared
from gateway.telemetry.exposition import Exposition


def exposition(settings: Settings, state: Client, blobs: Client, own: CollectorRegistry) -> Exposition:
    """Make the exposition of all workers where they share files, else of `own`."""
    folder = shared.directory()
    counted: Callable[[], CollectorRegistry] = (lambda: shared.registry_of_all(folder)) if folder else lambda: own
    reader = StandingReader(state, blobs, Brakes(state, Scripts(state)), clock=time.monotonic)
    return Exposition(counted, reader.read, most_teams=settings.metrics.max_teams)

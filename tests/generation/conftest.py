"""Workers of one gateway, each with an engine of its own, before one Valkey and one sandbox."""

import contextlib

import pytest

from gateway.generation.limits import Slots
from tests.support.generation import Events, generations_at


@pytest.fixture
def events():
    """Keep what the workers tell."""
    return Events()


@pytest.fixture
async def worker_with(sandbox, valkey_url, events):
    """Give a function that starts a worker, with some options changed; called again, a second one beside it."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(url=valkey_url, emit=events, **options):
            return await stack.enter_async_context(generations_at(sandbox, url, emit, **options))

        yield start


@pytest.fixture
async def worker(worker_with):
    """Start a worker."""
    return await worker_with()


@pytest.fixture
async def other(worker_with):
    """Start a second worker of the same gateway."""
    return await worker_with()


@pytest.fixture
async def narrow(worker_with):
    """Start a worker that makes one call at a time."""
    return await worker_with(engine={"slots": Slots(max_in_flight=1, max_queued=50)})

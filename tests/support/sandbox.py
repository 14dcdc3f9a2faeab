"""The simulated Aihubmix as a fixture: one server for the session, a clean slate for each test."""

import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings


@pytest.fixture(scope="session")
def sandbox_server():
    """Give one sandbox for all tests, with quick tasks."""
    with RunningSandbox(Settings(task_delay=0.05)) as running:
        yield running


@pytest.fixture
def sandbox(sandbox_server):
    """Give the sandbox without a past."""
    sandbox_server.reset()
    yield sandbox_server
    sandbox_server.reset()

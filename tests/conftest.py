"""Fixtures that every test may use."""

import os

import pytest

from tests.support.admin import admin  # noqa: F401  fixture
from tests.support.books_api import books_api  # noqa: F401  fixture
from tests.support.chromium import chromium  # noqa: F401  fixture
from tests.support.command_line import command, in_books  # noqa: F401  fixtures
from tests.support.gateway import gateway, key  # noqa: F401  fixtures
from tests.support.nginx import reverse_proxy  # noqa: F401  fixture
from tests.support.pages import pages, serving_pages  # noqa: F401  fixtures
from tests.support.sandbox import sandbox, sandbox_server  # noqa: F401  fixtures
from tests.support.trust import trust_one_authority
from tests.support.valkey import _valkey, own_valkey, redis_client, valkey, valkey_url  # noqa: F401  fixtures
from tests.support.valkey_groups import (  # noqa: F401  fixtures
    _cluster,
    any_client,
    any_url,
    cluster,
    cluster_url,
    own_cluster,
    sentinel,
)


def pytest_configure(config):
    """Spare every HTTP client of the run the public authorities."""
    trust_one_authority(config)


def pytest_collection_modifyitems(items):
    """Begin with the long tests: whatever begins last is what all other processes of the run wait for."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Run two tests a core: half of the time they wait for sockets and processes."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def anyio_backend():
    """All async tests run on asyncio, as the gateway does."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _clean_environ():
    """Keep os.environ clean for every test without having to mock os.environ."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("GATEWAY_", "AIHUBMIX_", "REDIS_", "OPENAI_")):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)

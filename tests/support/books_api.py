"""The routes of usage, generations, cache and brakes on a real port, with a real Valkey behind them."""

import time

import pytest
from litestar import Litestar

from gateway.api.access import Access
from gateway.api.admin.brakes import brakes_router
from gateway.api.admin.generations import cache_router, generations_router
from gateway.api.admin.guard import guarded
from gateway.api.admin.usage import usage_router
from gateway.api.errors import handle
from gateway.catalog import load_catalog
from gateway.settings import shipped
from gateway.store.brakes import Brakes
from gateway.store.generations import GenerationRecords
from gateway.store.reconciliation import Reconciliation
from gateway.store.usage import UsageReports
from tests.support.admin import ADMIN_KEY, client
from tests.support.books import RULES, Books
from tests.support.serving import serving
from tests.support.valkey import gateway_client


@pytest.fixture
def books_api(valkey_url):
    """Give a client of these routes before an empty Valkey; their clock is the machine's own."""
    with serving(lambda: _app(valkey_url)) as url, client(url) as http:
        yield http


def _app(redis_url):
    redis = gateway_client(redis_url)
    app = Litestar(
        route_handlers=[guarded(ADMIN_KEY, _routers(redis))],
        exception_handlers={Exception: handle},
        openapi_config=None,
        logging_config=None,
        on_shutdown=[redis.aclose],
    )
    return Access(app, clock=time.monotonic, emit=lambda _: None)


def _routers(redis):
    books = Books(redis)
    books.ledger._clock = None
    catalog = load_catalog(shipped("models.toml"))
    records = GenerationRecords(redis, books.ledger)
    brakes = Brakes(redis, books.scripts)
    reconciliation = Reconciliation(redis, books.scripts, retention_days=RULES.retention_days)
    return [
        usage_router(
            usage=UsageReports(redis),
            generations=records,
            reconciliation=reconciliation,
            clock=lambda: time.time_ns() / 1e9,
        ),
        generations_router(generations=records, brakes=brakes),
        cache_router(ledger=books.ledger, generations=records, catalog=catalog),
        brakes_router(brakes=brakes, catalog=catalog),
    ]

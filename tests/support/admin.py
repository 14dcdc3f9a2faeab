"""The admin API alone on a real port, with a real Valkey behind it."""

import time

import httpx
import pytest
from litestar import Litestar

from gateway.api.access import Access
from gateway.api.admin import admin_router
from gateway.api.errors import handle
from gateway.catalog import load_catalog
from gateway.settings import shipped
from gateway.store.keys import Keys
from gateway.store.teams import Teams
from tests.support.serving import serving
from tests.support.valkey import gateway_client

NOW = 1_800_000_000  # what every clock of it tells, in unix seconds
ADMIN_KEY = "an admin key, gr\u00fcn and long"


def admin_app(redis_url, admin_key=ADMIN_KEY, others=()):
    """Make an application of the admin routes and nothing else."""
    redis = gateway_client(redis_url)
    router = admin_router(
        admin_key=admin_key,
        keys=Keys(redis, clock=lambda: NOW),
        teams=Teams(redis, clock=lambda: NOW),
        catalog=load_catalog(shipped("models.toml")),
        clock=lambda: NOW,
        others=others,
    )
    app = Litestar(
        route_handlers=[router],
        exception_handlers={Exception: handle},
        openapi_config=None,
        logging_config=None,
        on_shutdown=[redis.aclose],
    )
    return Access(app, clock=time.monotonic, emit=lambda _: None)


def client(url, admin_key=ADMIN_KEY):
    """Make a plain HTTP client that sends the admin key."""
    headers = {"authorization": b"Bearer " + admin_key.encode()} if admin_key else {}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False, verify=False)


@pytest.fixture
def admin(valkey_url):
    """Give a client of the admin API before an empty Valkey."""
    with serving(lambda: admin_app(valkey_url)) as url, client(url) as http:
        yield http

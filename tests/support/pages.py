"""The pages and the admin routes that they call, on a real port, with a real Valkey and a clock to be moved."""

import re
import time
from contextlib import contextmanager

import httpx
import pytest
from litestar import Litestar

from gateway.api.access import Access
from gateway.api.admin import admin_router
from gateway.api.errors import handle
from gateway.api.origin import PublicOrigin
from gateway.api.pages import pages_router
from gateway.api.sessions import COOKIE, Sessions
from gateway.catalog import load_catalog
from gateway.settings import shipped
from gateway.store.ended_sessions import EndedSessions
from gateway.store.keys import Keys
from gateway.store.secrets import Signer
from gateway.store.teams import Teams
from tests.support.admin import ADMIN_KEY, NOW
from tests.support.books import Clock
from tests.support.serving import serving
from tests.support.valkey import gateway_client


class Pages:
    """A browser's place before the pages: `http` keeps cookies and follows no redirect."""

    def __init__(self, url, clock):
        self.url = url
        self.clock = clock
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False, verify=False)

    def log_in(self, key=ADMIN_KEY, **fields):
        return self.http.post("/login", data={"key": key, **fields})

    def token(self):
        """Read the token out of a page."""
        return re.search(r'name="csrf-token" content="([^"]+)"', self.http.get("/dashboard").text)[1]

    def cookie(self):
        return self.http.cookies.get(COOKIE)


def pages_app(redis_url, clock, *, admin_key=ADMIN_KEY, public_url="", trusted=()):
    """Make an application of the pages and the admin routes of keys and teams."""
    redis = gateway_client(redis_url)

    async def signer():
        return Signer(b"a signing key")

    sessions = Sessions(admin_key, signer=signer, ended=EndedSessions(redis), clock=clock)
    admin = admin_router(
        admin_key=admin_key,
        keys=Keys(redis, clock=clock),
        teams=Teams(redis, clock=clock),
        catalog=load_catalog(shipped("models.toml")),
        clock=clock,
        sessions=sessions,
    )
    pages = pages_router(admin_key=admin_key, sessions=sessions, origin=PublicOrigin(public_url, trusted), clock=clock)
    app = Litestar(
        route_handlers=[admin, pages],
        exception_handlers={Exception: handle},
        openapi_config=None,
        logging_config=None,
        on_shutdown=[redis.aclose],
    )
    return Access(app, clock=time.monotonic, emit=lambda _: None)


@pytest.fixture
def serving_pages(valkey_url):
    """Give what serves the pages with settings of the test's own."""

    @contextmanager
    def serve(clock=None, **settings):
        clock = clock or Clock(NOW)
        with serving(lambda: pages_app(valkey_url, clock, **settings)) as url:
            pages = Pages(url, clock)
            with pages.http:
                yield pages

    return serve


@pytest.fixture
def pages(serving_pages):
    """Give the pages before an empty Valkey."""
    with serving_pages() as served:
        yield served

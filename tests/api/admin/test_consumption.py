import time

import pytest
from litestar import Litestar

from gateway.api.access import Access
from gateway.api.admin.consumption import consumption_router
from gateway.api.admin.guard import guarded
from gateway.api.errors import handle
from gateway.store.consumption import ConsumptionReader
from tests.support.admin import ADMIN_KEY, NOW, client
from tests.support.books import Books
from tests.support.gateway import envelope
from tests.support.serving import serving
from tests.support.valkey import gateway_client


@pytest.fixture
def api(valkey_url):
    def app():
        redis = gateway_client(valkey_url)
        routes = guarded(ADMIN_KEY, [consumption_router(consumption=ConsumptionReader(redis, clock=lambda: NOW))])
        made = Litestar(
            [routes],
            exception_handlers={Exception: handle},
            openapi_config=None,
            logging_config=None,
            on_shutdown=[redis.aclose],
        )
        return Access(made, clock=time.monotonic, emit=lambda _: None)

    with serving(app) as url, client(url) as http:
        yield http


async def test_what_counts_against_limits_is_told(api, redis_client):
    """In images of today, and in dollars of this month."""
    books = Books(redis_client)
    books.clock.now = NOW
    await books.lead(key="k1", n=2, estimate=120_000)
    await books.lead("ops", key="o1")
    counted = {"images_today": 2, "cost_usd_this_month": 0.12, "under_way": 1}

    art = [{"team": "art", "key": None, **counted}, {"team": "art", "key": "k1", **counted}]
    assert art == api.get("/admin/consumption", params={"team": "art"}).json()["data"]
    assert ["art", "art", "ops", "ops"] == [one["team"] for one in api.get("/admin/consumption").json()["data"]]


def test_only_a_team_consumes(api):
    refused = api.get("/admin/consumption", params={"team": "no team"})
    assert envelope(refused) == (400, "invalid_request_error", "invalid_value", "team")

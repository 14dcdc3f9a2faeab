import pytest

from gateway.errors import InvalidRequest
from gateway.store.consumption import Consumption, ConsumptionReader
from tests.support.books import DAY_S, Books


@pytest.fixture
def books(redis_client):
    return Books(redis_client)


@pytest.fixture
def consumption(books):
    return ConsumptionReader(books.redis, clock=books.clock)


async def test_what_is_delivered_and_what_is_reserved_both_count(books, consumption):
    """Of the team, and of each of its keys; teams that nobody used have nothing, and are there."""
    await books.deliver(await books.lead(key="k1", n=2, estimate=100), images=2, cost=80)
    await books.lead(key="k2", n=3, estimate=300)
    await books.redis.sadd("teams", "idle")

    assert [
        Consumption("art", None, images=5, cost=380, under_way=1),
        Consumption("art", "k1", images=2, cost=80, under_way=0),
        Consumption("art", "k2", images=3, cost=300, under_way=1),
        Consumption("idle", None, images=0, cost=0, under_way=0),
    ] == await consumption.read()


async def test_one_team_can_be_asked_for(books, consumption):
    await books.lead("art")
    await books.lead("ops", key="o1")

    assert {"ops"} == {one.team for one in await consumption.read("ops")}
    with pytest.raises(InvalidRequest):
        await consumption.read("no team")


async def test_images_begin_anew_each_day_and_money_each_month(books, consumption):
    await books.deliver(await books.lead(n=2), images=2, cost=80)
    books.clock.now += DAY_S
    assert (0, 80) == ((await consumption.read())[0].images, (await consumption.read())[0].cost)
    books.clock.now += 30 * DAY_S
    assert [Consumption("art", None, images=0, cost=0, under_way=0)] == await consumption.read()


async def test_what_lost_its_worker_is_no_longer_under_way(books, consumption):
    """As the limit itself counts."""
    await books.lead()
    books.clock.now += books.ledger.rules.lease_ms / 1000 + 1
    assert 0 == (await consumption.read())[0].under_way

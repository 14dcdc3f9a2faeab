import asyncio

import pytest

from gateway.errors import InvalidRequest, Unavailable
from gateway.store.brakes import Brakes, BrakeState, Spent
from gateway.store.generations import GenerationRecords
from tests.support.books import DAY_S, Books
from tests.support.valkey import gateway_client


@pytest.fixture(params=["valkey_url", "cluster_url"])
async def any_redis(request):
    client = gateway_client(request.getfixturevalue(request.param))
    yield client
    await client.aclose()


@pytest.fixture
def books(any_redis):
    return Books(any_redis)


@pytest.fixture
def brakes(books):
    return Brakes(books.redis, books.scripts, clock=books.clock)


@pytest.fixture
def heal(books, brakes):
    records = GenerationRecords(books.redis, books.ledger)

    async def healed():
        return await brakes.heal(records.cost)

    return healed


def name(index=0):
    return f"gen_01995e1c2d0{index:013x}"


async def spent(brakes):
    told = await brakes.spent()
    return told.used, told.reserved


async def test_nothing_brakes_at_first(brakes):
    """No budget, no model off: every reservation is granted, and none is kept."""
    assert await brakes.read() == BrakeState(None, {})
    assert await brakes.reserve(name(), "art", 10**12)
    await brakes.settle(name(), 10**12)
    assert await brakes.spent() == Spent("202611", 0, 0)


async def test_a_model_is_off_until_it_is_on(brakes):
    """With the reason that is given, if one is."""
    await brakes.switch_off("V3", "too dear")
    await brakes.switch_off("dall-e-3")
    assert (await brakes.read()).off == {"V3": "too dear", "dall-e-3": ""}
    assert await brakes.switch_on("V3")
    assert not await brakes.switch_on("V3")
    assert (await brakes.read()).off == {"dall-e-3": ""}


async def test_a_budget_admits_exactly_what_it_covers(brakes):
    """However many ask at the same moment."""
    await brakes.set_budget(37 * 60_000)
    admitted = await asyncio.gather(*(brakes.reserve(name(index), "art", 60_000) for index in range(200)))
    assert sum(admitted) == 37
    assert await spent(brakes) == (0, 37 * 60_000)


async def test_a_reservation_counts_once_and_gives_way_to_the_cost(brakes):
    """However often either is repeated."""
    await brakes.set_budget(100_000)
    assert [await brakes.reserve(name(), "art", 60_000) for _ in range(2)] == [True, True]
    assert not await brakes.reserve(name(1), "art", 60_000)
    for _ in range(2):
        await brakes.settle(name(), 20_000)
    assert await spent(brakes) == (20_000, 0)
    assert await brakes.reserve(name(1), "art", 60_000)
    await brakes.settle(name(), 70_000)
    assert await spent(brakes) == (70_000, 60_000)


async def test_a_month_is_a_month_of_its_own(brakes, books):
    """What was reserved in November is settled in November, and December starts from nothing."""
    await brakes.set_budget(60_000)
    assert await brakes.reserve(name(), "art", 60_000)
    books.clock.now += 10 * DAY_S
    assert await brakes.reserve(name(1), "art", 60_000)
    await brakes.settle(name(), 60_000)
    assert await brakes.spent() == Spent("202612", 0, 60_000)


async def test_a_budget_set_in_mid_month_counts_from_its_start(brakes, books, heal):
    """What teams have used, and what is under way, which is settled like all else; a second one only moves the limit."""
    await books.deliver(await books.lead("art"), "art")
    await books.deliver(await books.lead("zoo"), "zoo")
    begun = await books.lead("zoo", estimate=50_000)
    await brakes.set_budget(200_000)
    assert await spent(brakes) == (120_000, 50_000)
    await brakes.set_budget(300_000)
    assert await spent(brakes) == (120_000, 50_000)
    await books.deliver(begun, "zoo", cost=40_000)
    books.clock.now += 61
    assert await heal() == 1
    assert await spent(brakes) == (160_000, 0)
    await brakes.set_budget(None)
    await books.deliver(await books.lead("art", estimate=1_000), "art", cost=1_000)
    await brakes.set_budget(300_000)
    assert await spent(brakes) == (161_000, 0)


async def test_what_began_unnoticed_is_counted_at_its_end(brakes, books):
    """In the month of its request, once: its worker had not heard of the budget when it began."""
    await brakes.set_budget(200_000)
    begun = await books.lead()
    for _ in range(2):
        await brakes.settle(begun, 60_000)
    assert await spent(brakes) == (60_000, 0)


async def test_what_ended_without_telling_is_settled_by_its_teams_books(brakes, books, heal):
    """Ended, vanished after it ended, and never begun; what is under way or may be about to begin is left alone."""
    await brakes.set_budget(10_000_000)
    ended, vanished, running = [await books.lead() for _ in range(3)]
    for held in (ended, vanished, running, name()):
        await brakes.reserve(held, "art", 60_000)
    await books.deliver(ended, cost=40_000)
    await books.deliver(vanished, cost=30_000)
    await books.redis.delete(f"{{art}}:gen:{vanished}")
    assert await heal() == 0
    books.clock.now += 61
    await brakes.reserve(name(1), "art", 60_000)
    assert await heal() == 3
    assert await spent(brakes) == (70_000, 120_000)
    assert await heal() == 0


async def test_who_comes_late_is_believed(brakes, books, heal):
    """A worker that was stopped between its reservation and its generation, and then made the picture after all."""
    await brakes.set_budget(10_000_000)
    await brakes.reserve(name(), "art", 60_000)
    books.clock.now += 61
    assert await heal() == 1
    await brakes.settle(name(), 60_000)
    assert await spent(brakes) == (60_000, 0)


async def test_a_dispute_that_ends_long_after_moves_its_month(brakes):
    """By the difference, once."""
    await brakes.set_budget(10_000_000)
    await brakes.settle(name(), 5_000, before=("202611", 60_000))
    assert await spent(brakes) == (-55_000, 0)
    await brakes.settle(name(), 5_000, before=("202611", 60_000))
    assert await spent(brakes) == (-55_000, 0)


async def test_more_reservations_than_one_look_shows_are_all_healed(brakes, books, heal):
    """However they lie in the hash."""
    await brakes.set_budget(10_000_000)
    for each in range(700):
        await brakes.reserve(name(each), "art", 10)
    books.clock.now += 61
    assert await heal() == 700
    assert await spent(brakes) == (0, 0)


async def test_what_makes_no_sense_is_refused(brakes):
    for budget in (-1, 10**14):
        with pytest.raises(InvalidRequest):
            await brakes.set_budget(budget)
    with pytest.raises(InvalidRequest):
        await brakes.switch_off("V3", "x" * 201)


async def test_redis_away_is_said():
    """To operators as everywhere."""
    client = gateway_client("unix:///nowhere")
    brakes = Brakes(client, Books(client).scripts)
    for asked in (brakes.set_budget(1), brakes.switch_off("V3"), brakes.spent()):
        with pytest.raises(Unavailable):
            await asked
    await client.aclose()

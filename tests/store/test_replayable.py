import pytest

from gateway.errors import InvalidRequest
from gateway.store.replayable import Replayable, ReplayableResults
from tests.support.books import Books


@pytest.fixture
def books(redis_client):
    return Books(redis_client)


@pytest.fixture
def replayable(books):
    return ReplayableResults(books.redis)


async def cached(books, team="art", fp="f1", **asked):
    name = await books.lead(team, fp=fp, shared=True, stores=True, **asked)
    await books.deliver(name, team)
    return name


async def test_what_the_cache_holds_is_listed_by_generation(books, replayable):
    """Of one team or of all; what is not kept for replay is not."""
    books.clock.now = await now_of(books.redis)
    first = await cached(books, fp="f1")
    books.clock.now += 1
    second = await cached(books, fp="f2")
    await books.deliver(await books.lead(fp="f3"))
    other = await cached(books, "ops", key="o1")

    art = [Replayable("art", second, "f2"), Replayable("art", first, "f1")]
    assert [*art, Replayable("ops", other, "f1")] == await replayable.newest(None, 10)
    assert art == await replayable.newest("art", 10)
    assert art[:1] == await replayable.newest("art", 1)


async def test_an_entry_that_is_gone_is_not_listed(books, replayable):
    await cached(books)
    await books.redis.delete("{art}:cache:f1")
    assert [] == await replayable.newest("art", 10)
    assert await replayable.results("art", "f1") is None


async def test_an_entry_tells_what_its_pictures_are(books, replayable):
    await cached(books)
    assert '[{"x":1}]' == await replayable.results("art", "f1")
    assert await replayable.results("ops", "f1") is None


async def test_only_a_team_and_a_fingerprint_lead_to_an_entry(replayable):
    for fingerprint in ("", "a:b", "f1}", "x" * 200):
        assert await replayable.results("art", fingerprint) is None
    for team in ("no team", "{art}"):
        with pytest.raises(InvalidRequest):
            await replayable.results(team, "f1")
        with pytest.raises(InvalidRequest):
            await replayable.newest(team, 1)


async def now_of(redis):
    return (await redis.time())[0]

import pytest

from tests.support.books import Books


@pytest.fixture
def books(redis_client):
    return Books(redis_client)


async def month(books, field="team:used"):
    return int(await books.redis.hget("{art}:month:202611", field) or 0)


async def lost(books, **asked):
    """Three parts, of which the estimate cannot be divided evenly, and whose outcome is unknown."""
    name = await books.lead(n=3, parts=[1, 1, 1], estimate=100_000, **asked)
    for part in (1, 2, 3):
        await books.lose(name, part=part)
    return name


@pytest.mark.parametrize(("charged", "cost"), [(0, 0), (40_000, 40_000), (None, 99_999)])
async def test_what_upstream_charged_replaces_what_was_booked(books, charged, cost):
    """To the micro-dollar: shares of an estimate are rounded part by part. None stands for the estimate."""
    name = await lost(books)
    assert await month(books) == 99_999
    told = await books.ledger.resolve("art", name, charged, "ann", "")
    assert (told.state, told.was, told.charged, told.cost, told.month) == ("unknown", 99_999, cost, cost, "202611")
    assert await month(books) == await month(books, "key:k1:used") == cost
    assert int(await books.redis.hget("{art}:usage:20261122", "k1|V3|cost") or 0) == cost


async def test_a_dispute_ends_once(books):
    """The second answer tells that there is nothing more to settle."""
    name = await lost(books)
    await books.ledger.resolve("art", name, 0, "ann", "")
    assert (await books.ledger.resolve("art", name, 50_000, "bob", "")).state == "resolved"
    assert await month(books) == 0


async def test_it_frees_identical_requests_but_no_later_tombstone(books):
    """A younger generation of unknown outcome still holds automatic retries back."""
    first = await lost(books, fp="same")
    second = await lost(books, fp="same", anew=True)
    await books.ledger.resolve("art", first, 0, "ann", "")
    assert (await books.ask(fp="same")).kind == "unknown"
    await books.ledger.resolve("art", second, 0, "ann", "")
    assert (await books.ask(fp="same")).kind == "lead"


async def test_what_is_unresolved_is_listed_until_it_is_settled_or_too_old(books):
    """By a resolution or a late picture; the list does not outgrow the records that it names."""
    first, second, third = [await lost(books) for _ in range(3)]
    await books.deliver(second, part=1)
    listed = await books.redis.zrange("{art}:unresolved", 0, -1)
    assert sorted(listed) == sorted(name.encode() for name in (first, second, third))
    await books.ledger.resolve("art", first, 0, "ann", "")
    for part in (2, 3):
        await books.deliver(second, part=part)
    assert await books.redis.zrange("{art}:unresolved", 0, -1) == [third.encode()]
    books.clock.now += books.ledger.rules.dispute_s + 1
    fourth = await lost(books)
    assert await books.redis.zrange("{art}:unresolved", 0, -1) == [fourth.encode()]
    assert await books.redis.ttl("{art}:unresolved") == books.ledger.rules.dispute_s


async def test_a_late_picture_brings_its_spare_cost_along(books):
    """What was paid for more images than asked is booked as if the picture had come in time."""
    name = await books.lead()
    await books.lose(name)
    await books.deliver(name, spare=9)
    assert await books.redis.hget("{art}:usage:20261122", "k1|V3|spare") == b"9"


@pytest.mark.parametrize(("charged", "kind"), [(0, "lead"), (None, "unknown")])
async def test_what_was_never_charged_may_be_bought_under_its_idempotency_key(books, charged, kind):
    """Its repetition leads anew; of what was charged it still buys nothing."""
    name = await lost(books, idempotency="i", body="b")
    await books.ledger.resolve("art", name, charged, "ann", "")
    assert (await books.ask(n=3, parts=[1, 1, 1], idempotency="i", body="b")).kind == kind

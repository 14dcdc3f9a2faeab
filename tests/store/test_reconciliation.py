import asyncio
import random

import msgspec
import pytest

from gateway.errors import Unavailable
from gateway.store.reconciliation import Difference, Reconciliation
from gateway.store.scripts import Scripts
from tests.support.books import DAY_S, NOON, RULES, Books
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
def proof(books):
    reconciliation = Reconciliation(books.redis, books.scripts, retention_days=RULES.retention_days)

    async def prove():
        return await reconciliation.prove("art", books.clock.now)

    return prove


async def anything(books, rng):
    """Let one request lead to anything that can become of it."""
    n = rng.choice([1, 2, 3])
    parts = [1] * n
    name = await books.lead(
        key=rng.choice(["k1", "k2"]), model=rng.choice(["V3", "Qwen-Image"]), n=n, parts=parts, estimate=100_001
    )
    for part in range(1, n + 1):
        match rng.choice(["deliver", "fail", "lose", "nothing", "sent"]):
            case "deliver":
                await books.deliver(name, part=part, cost=rng.choice([33_000, 50_000]), spare=rng.choice([0, 7]))
            case "fail":
                await books.fail(name, part=part)
            case "lose":
                await books.lose(name, part=part)
                if rng.random() < 0.3:
                    await books.deliver(name, part=part)
            case "sent":
                await books.ledger.mark("art", name, 1, part, "sent")
    if rng.random() < 0.5:
        await books.ledger.resolve("art", name, rng.choice([None, 0, 40_000]), "ann", "bill of November")


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_the_books_agree(books, proof, seed):
    """Over deliveries, failures, lost answers, late pictures, expiries and disputes, on several days."""
    rng = random.Random(seed)
    for _ in range(60):
        await anything(books, rng)
        if rng.random() < 0.2:
            books.clock.now += rng.choice([20, 3600, DAY_S])
            await books.ledger.expire("art", takes_over=False)
    told = await proof()
    assert told.differences == ()
    assert (told.until - told.since).days == RULES.retention_days


async def test_a_counter_that_was_moved_is_told(books, proof):
    """By its name, with what it holds and what the stream proves; also one that is gone, or nobody ever counted."""
    await books.deliver(await books.lead())
    await books.redis.hincrby("{art}:usage:20261122", "k1|V3|cost", 7)
    await books.redis.hdel("{art}:usage:20261122", "k1|V3|images")
    await books.redis.hset("{art}:usage:20261121", "k9|V3|failures", 2)
    await books.redis.hincrby("{art}:usage:20261122", "k1|V3|hits", 1)
    assert (await proof()).differences == (
        Difference("art", "usage:20261122 k1|V3|cost", 60_007, 60_000),
        Difference("art", "usage:20261122 k1|V3|images", 0, 1),
        Difference("art", "usage:20261121 k9|V3|failures", 2, 0),
    )
    assert str((await proof()).differences[0]) == ("team art: usage:20261122 k1|V3|cost is 60007, and should be 60000")


async def test_an_entry_that_is_missing_is_told(books, proof):
    """Then the counters hold more than can be proved."""
    await books.deliver(await books.lead())
    await books.redis.delete("{art}:usage")
    assert {difference.name for difference in (await proof()).differences} == {
        "usage:20261122 k1|V3|cost",
        "usage:20261122 k1|V3|generations",
        "usage:20261122 k1|V3|images",
    }


async def test_a_reservation_that_nobody_holds_is_told(books, proof):
    """And one that should be there and is not."""
    await books.lead(n=2, parts=[2])
    assert (await proof()).differences == ()
    await books.redis.hincrby("{art}:day:20261122", "team:reserved", -2)
    await books.redis.hdel("{art}:month:202611", "key:k1:reserved")
    await books.redis.hset("{art}:month:202610", "team:reserved", 5)
    assert (await proof()).differences == (
        Difference("art", "day:20261122 team:reserved", 0, 2),
        Difference("art", "month:202610 team:reserved", 5, 0),
        Difference("art", "month:202611 key:k1:reserved", 0, 60_000),
    )


async def test_days_whose_entries_are_trimmed_are_left_out(redis_client):
    """Their counters may live on, for the sake of a late settlement; the day after the first entry is whole."""
    books = Books(redis_client, msgspec.structs.replace(RULES, retention_days=2))
    reconciliation = Reconciliation(redis_client, books.scripts, retention_days=40)
    for _ in range(5):
        for _ in range(150):
            await books.deliver(await books.lead())
        books.clock.now += DAY_S
    books.clock.now -= DAY_S
    about = await redis_client.xinfo_stream("{art}:usage")
    assert about["length"] < about["entries-added"] == 750
    told = await reconciliation.prove("art", books.clock.now)
    assert told.differences == ()
    assert 1 <= (told.until - told.since).days <= 3
    await redis_client.hincrby("{art}:usage:20261122", "k1|V3|cost", 7)
    assert (await reconciliation.prove("art", books.clock.now)).differences == ()


async def test_the_proof_holds_while_the_gateway_works(redis_client):
    """What is booked between two looks is no difference."""
    books = Books(redis_client)
    reconciliation = Reconciliation(redis_client, Scripts(redis_client), retention_days=3)
    done = asyncio.Event()

    async def work():
        rng = random.Random(1)
        while not done.is_set():
            await anything(books, rng)

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        proofs = []
        while await redis_client.xlen("{art}:usage") < 300:
            proofs.append(await reconciliation.prove("art", NOON))
        done.set()
    assert [proof.differences for proof in proofs] == [()] * len(proofs)
    assert len(proofs) > 10


async def test_an_entry_is_dated_by_the_scripts_own_clock(books):
    """As trimming is; and one that was set back loses no settlement."""
    await books.deliver(await books.lead())
    books.clock.now -= 60
    await books.deliver(await books.lead())
    stream = await books.redis.xrange("{art}:usage")
    assert [name for name, _ in stream] == [b"%d-0" % (NOON * 1000), b"%d-1" % (NOON * 1000)]


async def test_redis_away_is_said():
    """As everywhere."""
    client = gateway_client("unix:///nowhere")
    with pytest.raises(Unavailable):
        await Reconciliation(client, Scripts(client), retention_days=3).prove("art", NOON)
    await client.aclose()

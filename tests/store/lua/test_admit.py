import pytest

from tests.support.books import Books

IDEMPOTENT = {"idempotency": "d" * 64, "body": "b"}


@pytest.fixture
def books(redis_client):
    return Books(redis_client)


async def let_expire(books, name):
    """Let the record's life pass, if it is less than a day, and the cache entry's."""
    if await books.redis.ttl(f"{{art}}:gen:{name}") < books.ledger.rules.idempotency_s:
        await books.redis.delete(f"{{art}}:gen:{name}")
    await books.ledger.purge("art")


async def test_an_idempotency_key_that_joined_is_remembered_as_long_as_one_that_led(books):
    """The generation it joined was led without one, and would else be forgotten after a minute."""
    led = await books.lead(fp="same", shared=True, stores=True)
    assert (await books.ask(fp="same", shared=True, **IDEMPOTENT)).kind == "join"
    await books.deliver(led)
    await let_expire(books, led)
    verdict = await books.ask(fp="same", shared=True, **IDEMPOTENT)
    assert (verdict.kind, verdict.generation) == ("replay", led)


@pytest.mark.parametrize("is_known", [True, False])
async def test_an_idempotency_key_that_hit_is_remembered_longer_than_the_cache(books, is_known):
    """Whether the record of what it hit is still known, or was gone by then."""
    led = await books.lead(fp="same", shared=True, stores=True)
    await books.deliver(led)
    if not is_known:
        await books.redis.delete(f"{{art}}:gen:{led}")
    hit = await books.ask(fp="same", shared=True, **IDEMPOTENT)
    assert hit.kind == "hit"
    await let_expire(books, led)
    verdict = await books.ask(fp="same", shared=True, **IDEMPOTENT)
    assert (verdict.kind, verdict.generation, verdict.results) == ("replay", led, hit.results)
    gone = await books.ask(fp="same", shared=True, missing=led, **IDEMPOTENT)
    assert gone.kind == "gone"


async def test_an_idempotency_key_that_joined_a_failure_may_try_again(books):
    """As one that led it may."""
    led = await books.lead(fp="same", shared=True)
    assert (await books.ask(fp="same", shared=True, **IDEMPOTENT)).kind == "join"
    await books.fail(led)
    assert (await books.ask(fp="same", shared=True, **IDEMPOTENT)).kind == "lead"

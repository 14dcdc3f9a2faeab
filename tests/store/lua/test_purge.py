import pytest

from tests.support.books import Books


@pytest.fixture
def books(redis_client):
    return Books(redis_client)


async def cached(books, count, model):
    made = []
    for _ in range(count):
        made.append(await books.lead(model=model, shared=True, stores=True))
        await books.deliver(made[-1])
        books.clock.now += 1
    return made


async def entries(books):
    return await books.redis.zcard("{art}:cached")


async def test_all_of_a_team_may_go(books):
    """However many there are: no script looks at more than a few hundred."""
    await cached(books, 3, "V3")
    for index in range(1200):
        await books.redis.zadd("{art}:cached", {f"f{index}": index})
        await books.redis.hset(f"{{art}}:cache:f{index}", mapping={"gen": f"g{index}", "model": "V3"})
    assert await books.ledger.purge("art") == 1203
    assert await books.redis.keys("{art}:cache*") == []


async def test_a_model_or_a_generation_may_go_alone(books):
    """The rest stays, and is still a hit."""
    kept = await cached(books, 600, "V3")
    await cached(books, 2, "Qwen-Image")
    assert await books.ledger.purge("art", model="Qwen-Image") == 2
    assert await books.ledger.purge("art", generation=kept[7]) == 1
    assert await entries(books) == 599
    assert (await books.ask(fp="fp9", shared=True)).kind == "hit"
    assert (await books.ask(fp="fp8", shared=True)).kind == "lead"

import hashlib

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.store.blobs import FRESH_S, Blobs
from tests.support.valkey import gateway_client

IMAGE = bytes(range(256)) * 5000
NAME = hashlib.sha256(IMAGE).hexdigest()


async def test_bytes_come_back_by_the_name_of_their_content(redis_client):
    """Equal bytes have the same name, and are held once."""
    blobs = Blobs(redis_client)
    await blobs.put(NAME, IMAGE, 60)
    await blobs.put(NAME, IMAGE, 60)
    assert await blobs.get(NAME) == IMAGE
    assert await redis_client.keys() == [f"blob:{NAME}".encode()]


@pytest.mark.parametrize(("first", "second", "left"), [(1000, 10, 1000), (10, 1000, 1000), (10, 10.2, 11)])
async def test_a_second_put_lengthens_a_life_and_never_shortens_it(redis_client, first, second, left):
    """The longer of two lives counts, rounded up to whole seconds."""
    blobs = Blobs(redis_client)
    await blobs.put(NAME, IMAGE, first)
    await blobs.put(NAME, IMAGE, second)
    assert left - 0.9 <= await redis_client.pttl(f"blob:{NAME}") / 1000 <= left


@pytest.mark.parametrize(("first", "second", "left"), [(1000, 10, 1000), (10, 1000, 1000)])
async def test_a_life_can_be_lengthened_without_the_bytes(redis_client, first, second, left):
    """Who has no bytes at hand still keeps them alive; never for less than they had."""
    blobs = Blobs(redis_client)
    await blobs.put(NAME, IMAGE, first)
    assert await blobs.extend(NAME, second) is True
    assert left - 0.9 <= await redis_client.pttl(f"blob:{NAME}") / 1000 <= left


async def test_what_is_gone_cannot_be_lengthened(redis_client):
    """The caller hears of it, and puts the bytes back."""
    assert await Blobs(redis_client).extend(NAME, 60) is False
    assert await redis_client.keys() == []


@pytest.mark.parametrize("is_there", [True, False])
async def test_bytes_are_kept_whether_they_are_still_there_or_not(redis_client, is_there):
    """Their life is lengthened, or they are put back."""
    blobs = Blobs(redis_client)
    if is_there:
        await blobs.put(NAME, IMAGE, 10)
    await blobs.keep(NAME, IMAGE, 1000)
    assert await blobs.get(NAME) == IMAGE
    assert 999 <= await redis_client.pttl(f"blob:{NAME}") / 1000 <= 1000


async def test_what_was_put_just_now_need_not_be_asked_for(redis_client):
    """As long as it was put for long enough, and only for a moment: it may be evicted like any other."""
    now = [1000.0]
    blobs = Blobs(redis_client, clock=lambda: now[0])
    await blobs.put(NAME, IMAGE, 60 + FRESH_S)
    asked = (await redis_client.info("stats"))["total_commands_processed"]

    assert await blobs.extend(NAME, 60) is True
    assert (await redis_client.info("stats"))["total_commands_processed"] == asked + 1  # that of INFO itself

    await redis_client.flushall()
    assert await blobs.extend(NAME, 60.1 + FRESH_S) is False
    now[0] += FRESH_S
    assert await blobs.extend(NAME, 60) is False


async def test_what_is_gone_is_none(redis_client):
    """A blob that was evicted and a blob that never was look alike."""
    assert await Blobs(redis_client).get("0" * 64) is None


@pytest.mark.parametrize("name", ["", "0" * 63, "A" * 64, "0" * 64 + "\n", "../signing-key"])
async def test_what_is_no_name_is_never_looked_up(name):
    """Only 64 hexadecimal digits reach Redis."""
    client = gateway_client("unix:///nowhere")
    assert await Blobs(client).get(name) is None
    await client.aclose()


async def test_redis_trouble_is_left_to_the_caller():
    """Whoever stores bytes that are paid for must not turn this into a request to try again."""
    client = gateway_client("unix:///nowhere")
    with pytest.raises(RedisConnectionError):
        await Blobs(client).put(NAME, IMAGE, 60)
    await client.aclose()

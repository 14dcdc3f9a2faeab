"""Whether pictures have to make room for state."""

import pytest

from gateway.store.watermark import Watermark
from tests.support.valkey import RunningValkey, gateway_client

MEGABYTE = 1 << 20


@pytest.fixture
async def redis(own_valkey):
    client = gateway_client(own_valkey.url)
    yield client
    await client.aclose()


async def test_a_shared_redis_is_watched(redis, own_valkey):
    """Below the mark there is room; above it there is none; and again when it is given more."""
    blobs = gateway_client(own_valkey.url)
    mark = Watermark(redis, blobs, high=0.25)
    await redis.config_set("maxmemory", 128 * MEGABYTE)
    passed = [await mark.is_passed()]
    await redis.set("blob:x", bytes(40 * MEGABYTE))
    passed.append(await mark.is_passed())
    await redis.config_set("maxmemory", 1024 * MEGABYTE)
    passed.append(await mark.is_passed())
    await blobs.aclose()
    assert passed == [False, True, False]


async def test_without_a_limit_there_is_always_room(redis):
    """Nothing is evicted there, and nothing refused."""
    await redis.set("blob:x", bytes(16 * MEGABYTE))
    assert await Watermark(redis, redis, high=0.0001).is_passed() is False


async def test_a_server_of_their_own_may_be_full(redis):
    """There pictures push out pictures alone."""
    server = RunningValkey("--maxmemory", "8mb")
    try:
        blobs = gateway_client(server.url)
        assert await Watermark(redis, blobs, high=0.0001).is_passed() is False
        await blobs.aclose()
    finally:
        server.close()

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.store.connection import RedisTrouble
from tests.support.relay import relayed
from tests.support.valkey import gateway_client
from tests.support.valkey_groups import until_it_works


@pytest.fixture
async def client(sentinel):
    client = gateway_client(sentinel.url)
    yield client
    await client.aclose()


async def test_the_primary_is_found_in_its_database(sentinel):
    """Through the first Sentinel that answers."""
    client = gateway_client(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.watcher.port}/art/3")
    await client.set("n", "x")
    with sentinel.primary.client() as direct:
        assert direct.info("keyspace")["db3"]["keys"] == 1
    await client.aclose()


async def test_a_promotion_is_followed(sentinel, client):
    """The primary dies by SIGKILL; the same client has trouble, and then writes to the one that took over."""
    await asyncio.gather(*(client.incr("n") for _ in range(8)))
    sentinel.kill_primary()
    with pytest.raises(RedisTrouble):
        await client.set("n", "lost")
    sentinel.until_promoted()
    assert await until_it_works(lambda: client.set("n", "kept"))
    assert sentinel.replica.call("GET", "n") == b"kept"


async def test_a_primary_that_became_a_replica_is_left(sentinel, client):
    """Its refusal to write is trouble once; then its successor is asked for."""
    await client.set("n", "before")
    sentinel.watcher.call("SENTINEL", "FAILOVER", "art")
    sentinel.until_promoted()
    sentinel.primary.call("REPLICAOF", "127.0.0.1", sentinel.replica.port)  # as the Sentinel tells it, 10 s later
    assert await until_it_works(lambda: client.set("n", "after"))
    assert sentinel.replica.call("GET", "n") == b"after"


async def test_an_unknown_service_is_trouble(sentinel):
    """So is having no Sentinel at all."""
    for url in (sentinel.url + "s", "redis+sentinel://127.0.0.1:1/art"):
        client = gateway_client(url)
        with pytest.raises(RedisTrouble, match="No master found"):
            await client.get("n")
        await client.aclose()


async def test_a_command_whose_reply_was_lost_runs_once(sentinel):
    """The caller sees an error, and the command is not repeated."""
    async with relayed(sentinel.primary.port, cut_at=b"INCRBY") as relay:
        client = gateway_client(sentinel.url)
        client.connection_pool.sentinel_manager.discover_master = lambda _: at(relay.port)
        with pytest.raises(RedisConnectionError):
            await client.incrby("n", 1)
        await client.aclose()
    assert sentinel.primary.call("GET", "n") == b"1"


async def at(port):
    return "127.0.0.1", port


async def test_more_callers_than_connections_wait_their_turn(sentinel):
    """The pool makes callers wait instead of refusing them."""
    client = gateway_client(sentinel.url, max_connections=2)
    counts = await asyncio.gather(*(client.incr("n") for _ in range(100)))
    assert sorted(counts) == list(range(1, 101))
    await client.aclose()


async def test_closing_ends_the_connections_to_the_sentinels_too(sentinel):
    """Nothing stays open behind a client that is closed."""
    client = gateway_client(sentinel.url)
    await client.ping()
    [watcher] = client.connection_pool.sentinel_manager.sentinels
    opened = watcher.connection_pool._available_connections
    assert [one.is_connected for one in opened] == [True]
    await client.aclose()
    assert [one.is_connected for one in opened] == [False]

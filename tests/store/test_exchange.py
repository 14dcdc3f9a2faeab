import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.store.exchange import exchange_on_one
from tests.support.relay import relayed
from tests.support.valkey import gateway_client


async def test_replies_come_in_order_and_errors_in_their_place(redis_client):
    """None stays unread, and nil is a reply like any other."""
    for _ in range(2):
        first, error, last = await exchange_on_one(redis_client, [("ECHO", "a"), ("HGET", "x"), ("GET", "none")])
        assert (first, last) == (b"a", None)
        assert isinstance(error, ResponseError)
    assert await redis_client.get("none") is None


async def test_commands_go_over_one_connection(redis_client):
    """What the first sets for its connection holds for the second."""
    await asyncio.gather(*(redis_client.ping() for _ in range(8)))
    names = [f"c{n}" for n in range(8)]
    exchanges = (exchange_on_one(redis_client, [("CLIENT", "SETNAME", name), ("CLIENT", "GETNAME")]) for name in names)
    assert [reply for _, reply in await asyncio.gather(*exchanges)] == [name.encode() for name in names]


async def test_only_the_last_command_may_take_longer(valkey_url):
    """By so much, and no more; a connection that was given up is not used again."""
    client = gateway_client(valkey_url, command_timeout_s=0.3, max_connections=1)
    blocking = ("BLPOP", "none", "0.6")
    assert await exchange_on_one(client, [("PING",), blocking], last_takes_s=5) == [b"PONG", None]
    for commands, last_takes_s in (([("PING",), blocking], 0), ([blocking, ("PING",)], 5)):
        with pytest.raises(RedisTimeoutError):
            await exchange_on_one(client, commands, last_takes_s)
        assert await exchange_on_one(client, [("ECHO", "own")]) == [b"own"]
    await client.aclose()


async def test_a_lost_reply_is_trouble_and_the_command_ran_once(valkey):
    """Of several commands, all of them."""
    async with relayed(valkey.socket, cut_at=b"INCR") as relay:
        client = gateway_client(relay.url)
        with pytest.raises(RedisConnectionError):
            await exchange_on_one(client, [("INCR", "n"), ("INCR", "n")])
        await client.aclose()
    with valkey.client() as direct:
        assert direct.get("n") == b"2"


async def test_a_cancelled_exchange_leaves_no_reply_for_the_next(valkey_url):
    """Its connection goes with it."""
    client = gateway_client(valkey_url, max_connections=1)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await exchange_on_one(client, [("ECHO", "late"), ("BLPOP", "none", "0.1")])
        assert await exchange_on_one(client, [("ECHO", "own")]) == [b"own"]
    await client.aclose()

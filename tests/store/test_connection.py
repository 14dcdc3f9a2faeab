import asyncio
import contextlib

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.errors import Unavailable
from gateway.store.connection import connect, redis_needed
from tests.support.relay import relayed
from tests.support.valkey import gateway_client


@contextlib.asynccontextmanager
async def listening(handle):
    """Serve TCP by the test's own rules; yields the redis:// URL, and at the end waits for all handlers."""
    handlers = []

    async def handle_and_close(reader, writer):
        handlers.append(asyncio.current_task())
        await handle(reader, writer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle_and_close, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await asyncio.gather(*handlers)


async def test_values_are_bytes_and_the_protocol_is_resp3(redis_client):
    """A hash comes back as a dict of bytes, as RESP3 sends it."""
    await redis_client.hset("h", "f", b"\xff\x00")
    assert await redis_client.hgetall("h") == {b"f": b"\xff\x00"}
    assert (await redis_client.execute_command("HELLO"))[b"proto"] == 3


async def test_a_command_whose_reply_was_lost_runs_once(valkey):
    """The caller sees an error, and the command is not repeated, whatever the URL asks for."""
    async with relayed(valkey.socket, cut_at=b"INCRBY") as relay:
        client = gateway_client(f"{relay.url}/0?retry_on_timeout=true")
        with pytest.raises(RedisConnectionError):
            await client.incrby("counter", 1)
        await client.aclose()
    with valkey.client() as direct:
        assert direct.get("counter") == b"1"


async def test_connecting_asks_for_nothing_that_a_plain_server_does_not_know(valkey):
    """Maintenance notifications would cost every new connection a round trip for an error."""
    async with relayed(valkey.socket) as relay:
        client = gateway_client(relay.url)
        await client.ping()
        await client.aclose()
    assert b"PING" in b"".join(relay.requests)
    assert b"MAINT_NOTIFICATIONS" not in b"".join(relay.requests)


async def test_a_restarted_server_is_used_again_without_an_error(own_valkey):
    """Connections that died in the pool are noticed before a command is sent on them."""
    client = gateway_client(own_valkey.url)
    await asyncio.gather(*(client.set("a", 1) for _ in range(8)))
    assert len(await client.client_list()) == 8
    own_valkey.kill()
    with pytest.raises(RedisConnectionError):
        await client.get("a")
    own_valkey.start()
    assert await asyncio.gather(*(client.get("a") for _ in range(8))) == [None] * 8
    await client.aclose()


async def test_a_silent_server_is_given_up():
    """A server that accepts and says nothing costs the command timeout, once."""
    accepted = 0
    done = asyncio.Event()

    async def say_nothing(_reader, _writer):
        nonlocal accepted
        accepted += 1
        await done.wait()

    async with listening(say_nothing) as url:
        client = gateway_client(url, command_timeout_s=0.05)
        with pytest.raises(RedisTimeoutError):
            await client.ping()
        await client.aclose()
        done.set()
    assert accepted == 1


async def test_more_callers_than_connections_wait_their_turn(valkey_url):
    """The pool makes callers wait instead of refusing them."""
    client = gateway_client(valkey_url, max_connections=2)
    counts = await asyncio.gather(*(client.incr("n") for _ in range(100)))
    assert sorted(counts) == list(range(1, 101))
    assert len(await client.client_list()) <= 2
    await client.aclose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h:1", "A Redis URL with the scheme 'http': use redis://, rediss://, unix://, redis+cluster://, "),
        ("localhost:6379", "A Redis URL with no scheme: use redis://, rediss://, unix://, redis+cluster://, "),
        ("redis://:pa/ss@h:1", "the form redis://user:password@host:6379/0."),
        ("redis://:hidden@h:port", "the form redis://user:password@host:6379/0."),
        ("unix:///s?db=zero", "the form unix:///path/to/socket?db=0."),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(url, said):
    """The message tells the right form, and never what may be a password."""
    with pytest.raises(ValueError, match="A Redis URL") as refused:
        connect(url, command_timeout_s=1, connect_timeout_s=1, max_connections=1, pool_timeout_s=1)
    assert said in str(refused.value)
    assert "hidden" not in str(refused.value)
    assert "'pa" not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@pytest.mark.parametrize("trouble", [RedisConnectionError(), RedisTimeoutError(), RedisClusterException(), OSError()])
def test_redis_trouble_becomes_unavailable(trouble):
    """Whatever Redis raises is a 503 that asks for a retry."""
    with pytest.raises(Unavailable) as raised, redis_needed():
        raise trouble
    assert (raised.value.code, raised.value.retry_after) == ("redis_unavailable", 1.0)


def test_other_errors_stay_what_they_are():
    """A fault of ours is not blamed on Redis."""
    with pytest.raises(KeyError), redis_needed():
        raise KeyError

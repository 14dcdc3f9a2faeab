import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.valkey import gateway_client


@pytest.fixture
async def narrow(valkey_url):
    """Yield a client with a single connection."""
    client = gateway_client(valkey_url, max_connections=1, pool_timeout_s=5)
    yield client
    await client.aclose()


async def test_one_connection_serves_one_command_after_the_other(narrow):
    """A free one is used again, not made anew."""
    assert len({await narrow.client_id() for _ in range(5)}) == 1


async def test_who_waits_is_served_as_soon_as_a_connection_is_given_back(narrow):
    """However many wait, and whoever asks in the meantime."""
    pool, served = narrow.connection_pool, []

    async def use(name):
        connection = await pool.get_connection()
        served.append(name)
        await pool.release(connection)

    held = await pool.get_connection()
    waiting = [asyncio.ensure_future(use(name)) for name in range(5)]
    await asyncio.sleep(0)
    await pool.release(held)
    await use("late")
    await asyncio.gather(*waiting)

    assert set(served) == {*range(5), "late"}


async def test_who_stops_waiting_leaves_no_trace(narrow):
    """No connection is missing afterwards."""
    pool = narrow.connection_pool
    held = await pool.get_connection()
    waiting = asyncio.ensure_future(pool.get_connection())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await pool.release(held)

    assert await asyncio.gather(*(narrow.echo(text) for text in ("a", "b", "c"))) == [b"a", b"b", b"c"]


async def test_a_caller_waits_no_longer_than_it_may(valkey_url):
    """It gets an error, and the pool is as good as before."""
    client = gateway_client(valkey_url, max_connections=1, pool_timeout_s=0.01)
    held = await client.connection_pool.get_connection()
    with pytest.raises(RedisConnectionError, match="No connection available"):
        await client.ping()
    await client.connection_pool.release(held)

    assert await client.echo("own") == b"own"
    await client.aclose()


async def test_a_reply_that_nobody_has_read_is_never_taken_for_another(narrow):
    """The connection on which it lies is not used for the next command."""
    pool = narrow.connection_pool
    connection = await pool.get_connection()
    await connection.send_command("ECHO", "of another")
    await _until_readable(connection)
    await pool.release(connection)

    assert await narrow.echo("own") == b"own"


async def test_a_connection_that_the_server_has_closed_is_replaced(narrow, redis_client):
    """Before a command goes out on it, which would be lost."""
    closed = await narrow.client_id()
    connection = await narrow.connection_pool.get_connection()
    await narrow.connection_pool.release(connection)
    await redis_client.client_kill_filter(_id=closed)
    await _until_readable(connection)

    assert await narrow.client_id() != closed


async def _until_readable(connection):
    async with asyncio.timeout(10):
        while not await connection.can_read():  # noqa: ASYNC110  nothing tells but this
            await asyncio.sleep(0)

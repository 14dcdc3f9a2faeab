import asyncio
import contextlib

import pytest

from gateway.store.channel import Channel
from gateway.store.connection import RedisTrouble
from tests.support.valkey import gateway_client


@contextlib.asynccontextmanager
async def heard(client, **options):
    """Listen in a task of its own; yields a queue of what is heard, the last being the trouble that ends it."""
    channel, said = Channel(client, "news", **options), asyncio.Queue()

    async def listen():
        try:
            async for message in channel.messages():
                said.put_nowait(message)
        except RedisTrouble as trouble:
            said.put_nowait(trouble)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(listen())
        async with asyncio.timeout(10):
            await channel.subscribed.wait()
        said.subscribed = channel.subscribed
        yield said
        task.cancel()


async def test_what_a_script_publishes_is_heard_on_every_kind_of_redis(any_client):
    """By each listener, in order, as bytes."""
    async with heard(any_client) as one, heard(any_client) as other:
        for key in ("{a}", "{b}", "{c}"):  # on a cluster each is on another node
            await any_client.eval("return redis.call('PUBLISH', 'news', ARGV[1])", 1, key, f"{key}\xff")
            for said in (one, other):
                assert await said.get() == f"{key}\xff".encode()


async def test_a_listener_outlives_silence(valkey):
    """Neither the patience of a command nor a ping ends it, and nobody sees the pings."""
    client = gateway_client(valkey.url, command_timeout_s=0.4)
    with valkey.client() as direct:
        async with heard(client, ping_s=0.5) as said:
            async with asyncio.timeout(10):
                while direct.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"] < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            direct.publish("news", "late")
            assert await said.get() == b"late"
    await client.aclose()


async def test_a_server_that_died_ends_the_messages(own_valkey):
    """With trouble that tells the caller to subscribe again; after that, messages come as before."""
    client = gateway_client(own_valkey.url)
    async with heard(client) as said:
        own_valkey.kill()
        assert isinstance(await said.get(), RedisTrouble)
        assert not said.subscribed.is_set()
        own_valkey.start()
    async with heard(client) as said:
        await client.publish("news", "again")
        assert await said.get() == b"again"
    await client.aclose()


async def test_a_peer_that_went_silent_is_given_up(own_valkey):
    """One that no longer answers pings, but whose connection stands, is trouble as well."""
    client = gateway_client(own_valkey.url)
    async with heard(client, ping_s=0.2) as said:
        own_valkey.pause()
        assert isinstance(await said.get(), RedisTrouble)
    own_valkey.resume()
    await client.aclose()


async def test_a_subscription_whose_connection_was_closed_under_it_ends(cluster_url):
    """It does not connect again by itself, which would hide that messages were lost."""
    client = gateway_client(cluster_url)
    channel = Channel(client, "news")
    messages = channel.messages()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(anext(messages))
        await channel.subscribed.wait()
        await client.publish("news", "first")
    assert first.result() == b"first"
    await client.nodes_manager.aclose()
    async with asyncio.timeout(5):
        with pytest.raises(RedisTrouble):
            await anext(messages)
    await client.aclose()


async def test_a_listener_that_leaves_gives_its_connection_back(valkey_url):
    """Leaving is no trouble, and costs no connection of the pool."""
    client = gateway_client(valkey_url, max_connections=2)
    for _ in range(5):
        async with heard(client):
            await client.ping()
    await client.aclose()


@pytest.mark.parametrize("url", ["unix:///nowhere", "redis+cluster://127.0.0.1:1"])
async def test_no_redis_at_all_is_trouble(url):
    """Subscribing fails at once."""
    client = gateway_client(url)
    with pytest.raises(RedisTrouble):
        await anext(Channel(client, "news").messages())
    await client.aclose()

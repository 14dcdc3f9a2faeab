import asyncio

import pytest
from redis.exceptions import ClusterDownError, RedisClusterException
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.store.connection import RedisTrouble
from tests.support.relay import relayed
from tests.support.valkey import gateway_client
from tests.support.valkey_groups import until, until_it_works


@pytest.fixture
async def client(cluster_url):
    client = gateway_client(cluster_url)
    yield client
    await client.aclose()


@pytest.fixture
async def own_client(own_cluster):
    client = gateway_client(own_cluster.url)
    yield client
    await client.aclose()


def a_key_of(cluster, node):
    return next(key for key in map(str, range(1000)) if cluster.owner(key) is node)


async def test_any_node_leads_to_all(cluster):
    """One address is enough, and a dead one beside it does no harm."""
    client = gateway_client(f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster.nodes[2].port}")
    keys = [a_key_of(cluster, node) for node in cluster.nodes]
    for key in keys:
        await client.set(key, "x")
    assert [node.call("GET", key) for node, key in zip(cluster.nodes, keys, strict=True)] == [b"x"] * 3
    await client.aclose()


async def test_a_command_whose_reply_was_lost_runs_once(cluster, client):
    """The caller sees an error, and the command is not repeated."""
    owner = cluster.owner("n")
    async with relayed(owner.port, cut_at=b"INCRBY") as relay:
        client.nodes_manager.address_remap = lambda at: (at[0], relay.port if at[1] == owner.port else at[1])
        with pytest.raises(RedisConnectionError):
            await client.incrby("n", 1)
    assert owner.call("GET", "n") == b"1"


async def test_more_callers_than_connections_wait_their_turn(cluster_url):
    """The client makes callers wait instead of refusing them, whichever way they come."""
    client = gateway_client(cluster_url, max_connections=2)
    commands = (client.incr("n") for _ in range(100))
    exchanges = (client.exchange("n", [("INCR", "n")]) for _ in range(100))
    counts = await asyncio.gather(*commands, *exchanges)
    assert sorted(count if isinstance(count, int) else count[0] for count in counts) == list(range(1, 201))
    assert all(len(node._connections) <= 3 for node in client.get_nodes())
    await client.aclose()


async def test_a_caller_does_not_wait_for_ever(cluster_url):
    """One that gets no turn in time is told as if Redis were away."""
    client = gateway_client(cluster_url, max_connections=1, pool_timeout_s=0.01)
    await client.ping()
    async with client.turn():
        with pytest.raises(RedisConnectionError, match="No connection available"):
            await client.get("n")
    assert await client.get("n") is None
    await client.aclose()


async def test_connections_that_the_server_closed_are_noticed_before_use(cluster, client):
    """As an idle one is closed after a while by many a server."""
    await asyncio.gather(*(client.get("n") for _ in range(8)))
    cluster.owner("n").call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    async with asyncio.timeout(10):
        while not all(one.should_reconnect() for one in owner_node(client)._connections):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await asyncio.gather(*(client.get("n") for _ in range(8))) == [None] * 8


def owner_node(client):
    return client.get_node_from_key("n")


async def test_a_dropped_layout_is_trouble_with_redis(client):
    """What redis-py stumbles over while another task reads the layout anew is not a fault of ours."""
    await client.ping()
    client.nodes_manager.slots_cache = {}
    with pytest.raises(RedisClusterException, match="layout"):
        await client.get("n")
    with pytest.raises(RedisClusterException, match="layout"):
        await client.exchange("n", [("GET", "n")])


async def test_a_node_without_its_slots_is_trouble_until_it_has_them_again(own_cluster, own_client):
    """CLUSTERDOWN reaches the caller, and the layout is read anew; the same client goes on once the cluster is whole."""
    assert await own_client.exchange("n", [("INCR", "n")]) == [1]
    owner = own_cluster.owner("n")
    slot = own_client.keyslot("n")
    owner.call("CLUSTER DELSLOTS", slot)
    [answer] = await own_client.exchange("n", [("INCR", "n")])
    assert isinstance(answer, ClusterDownError)
    read = own_client.nodes_manager._epoch
    [answer] = await own_client.exchange("n", [("INCR", "n")])
    assert isinstance(answer, ClusterDownError)
    assert own_client.nodes_manager._epoch > read
    with pytest.raises(RedisTrouble):
        await own_client.incr("n")
    owner.call("CLUSTER ADDSLOTS", slot)
    assert await until_it_works(lambda: own_client.incr("n")) == 2


async def test_closing_after_trouble_closes_all_connections(own_cluster):
    """Also those to nodes that are still there."""
    client = gateway_client(own_cluster.url)
    key = a_key_of(own_cluster, own_cluster.nodes[1])
    await asyncio.gather(*(client.get(key) for _ in range(4)))
    own_cluster.nodes[2].kill()
    with pytest.raises(RedisTrouble):
        await client.get(a_key_of(own_cluster, own_cluster.nodes[2]))
    await client.aclose()
    known = [*client.nodes_manager.nodes_cache.values(), *client.nodes_manager.startup_nodes.values()]
    assert [one for node in known for one in node._connections if one.is_connected] == []


async def test_callers_share_one_look_at_a_cluster_that_is_away():
    """They all fail when it does: one look after the other, the last caller would wait as often as there are callers."""
    heard = []

    async def silent(reader, writer):
        while data := await reader.read(65536):
            heard.append(data)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = gateway_client(f"redis+cluster://127.0.0.1:{port}", command_timeout_s=0.2)
    async with server:
        told = await asyncio.gather(
            *(client.get("n") for _ in range(10)),
            *(client.exchange("n", [("GET", "n")]) for _ in range(10)),
            return_exceptions=True,
        )
        looks = len(heard)
        with pytest.raises(RedisTrouble):
            await client.get("n")
        await client.aclose()

    assert [type(trouble) for trouble in told] == [RedisClusterException] * 20
    assert looks == 1
    assert len(heard) == 2


async def answering(replies):
    """Serve what passes for a Redis, that answers each command as told, if at all."""

    async def answer(reader, writer):
        while data := await reader.read(65536):
            writer.writelines(reply * data.count(command) for command, reply in replies.items())
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def test_a_layout_that_makes_no_sense_is_trouble_with_redis():
    """Whatever redis-py makes of it: who handles trouble must not miss this."""
    of_no_node = b"*1\r\n*2\r\n:0\r\n:16383\r\n"
    server = await answering({b"HELLO": b"%1\r\n+proto\r\n:3\r\n", b"CLIENT": b"+OK\r\n", b"SLOTS": of_no_node})
    client = gateway_client(f"redis+cluster://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        for work in (client.get("n"), client.exchange("n", [("GET", "n")]), client.initialize()):
            with pytest.raises(RedisClusterException):
                await work
        await client.aclose()


async def test_a_client_that_is_closed_tells_who_waits():
    """As trouble, for nobody has cancelled them."""
    server = await answering({})
    client = gateway_client(f"redis+cluster://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        waiting = asyncio.ensure_future(client.get("n"))
        await asyncio.sleep(0)  # it has begun
        await client.aclose()
        with pytest.raises(RedisConnectionError):
            await waiting


async def test_a_fail_over_is_followed(own_cluster, own_client):
    """The same client writes again, by commands and exchanges, once the replica has taken over."""
    first, replica = own_cluster.nodes[0], own_cluster.replicas[0]
    key = a_key_of(own_cluster, first)
    await own_client.set(key, "before")
    first.kill()
    with pytest.raises(RedisTrouble):
        await own_client.exchange(key, [("SET", key, "lost")])
    await until_it_works(lambda: own_client.exchange(key, [("SET", key, "after")]))
    assert await until_it_works(lambda: own_client.get(key)) in {b"before", b"after"}
    until(lambda: replica.call("ROLE")[0] == b"master", "the promotion")
    assert await until_it_works(lambda: own_client.set(key, "at last"))
    assert replica.call("GET", key) == b"at last"


async def test_a_slot_that_moved_is_followed(own_cluster, own_client):
    """MOVED says that nothing ran; the command then runs once, where the slot is now."""
    source, target = own_cluster.nodes[1:3]
    keys = [key for key in map(str, range(1000)) if own_cluster.owner(key) is source][:4]
    for key in keys:
        await own_client.incr(key)
    for key in keys[:2]:
        migrate(key, own_client.keyslot(key), source, target, finish=True)
    assert await own_client.exchange(keys[0], [("INCR", keys[0]), ("INCR", keys[0])]) == [2, 3]
    assert await own_client.incr(keys[1]) == 2
    assert [target.call("GET", key) for key in keys[:2]] == [b"3", b"2"]


async def test_a_key_on_the_move_is_followed(own_cluster, own_client):
    """ASK leads to the next node for this one exchange, also where several connections are open."""
    source, target = own_cluster.nodes[1:3]
    key = a_key_of(own_cluster, source)
    await asyncio.gather(*(own_client.incr(key) for _ in range(8)))
    await asyncio.gather(*(own_client.get(a_key_of(own_cluster, target)) for _ in range(8)))
    migrate(key, own_client.keyslot(key), source, target, finish=False)
    for count in (9, 10):
        assert await own_client.exchange(key, [("INCR", key)]) == [count]


def migrate(key, slot, source, target, *, finish):
    """Move a slot that holds but `key`; unless `finish`, stop before its owner is told."""
    ids = {node: node.call("CLUSTER MYID") for node in (source, target)}
    target.call("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
    source.call("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
    source.call("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
    if finish:
        target.call("CLUSTER SETSLOT", slot, "NODE", ids[target])
        source.call("CLUSTER SETSLOT", slot, "NODE", ids[target])

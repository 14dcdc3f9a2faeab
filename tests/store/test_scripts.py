import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from gateway.store.connection import NotDurable, RedisTrouble
from gateway.store.scripts import Scripts
from tests.support.relay import relayed
from tests.support.valkey import gateway_client
from tests.support.valkey_groups import until_it_works

SOURCES = {
    "count": "return redis.call('INCRBY', KEYS[1], ARGV[1])",
    "add": "return redis.call('SADD', KEYS[1], ARGV[1])",
    "fill": "return redis.call('RPUSH', KEYS[1], string.rep('x', 262144))",
    "echo": "return {KEYS[1], ARGV[1], ARGV[2], ARGV[3]}",
    "nothing": "return nil",
    "refuse": "return redis.error_reply('NOTYOURS it is not')",
    "fault": "return nobody.home",
    "one": "local one = function() return 1 end",
    "two": "local two = function() return one() + 1 end",
    "three": "-- uses: one, two, one\nreturn one() + two()",
}


@pytest.fixture
def lua(tmp_path):
    for name, text in SOURCES.items():
        (tmp_path / f"{name}.lua").write_text(text)
    return tmp_path


@pytest.fixture
def scripts(any_client, lua):
    return Scripts(any_client, folder=lua)


async def test_a_script_runs_where_its_key_is(scripts, any_client):
    """On every kind of Redis, with its key as KEYS[1] and all else as ARGV."""
    for team in "abcdef":
        assert await scripts.run("count", f"{{{team}}}:n", 2) == 2
        assert await any_client.get(f"{{{team}}}:n") == b"2"
    assert await scripts.run("echo", "k", b"\xff", "é", 12) == [b"k", b"\xff", "é".encode(), b"12"]
    assert await scripts.run("nothing", "k") is None


async def test_a_script_may_use_fragments(redis_client, lua):
    """They stand before it in the order named, each once."""
    scripts = Scripts(redis_client, folder=lua)
    assert await scripts.run("three", "k") == 3


async def test_a_loaded_script_is_one_command(redis_client, lua):
    """Its text travels once; after that its hash does."""
    scripts = Scripts(redis_client, folder=lua)
    await redis_client.script_flush()
    for _ in range(5):
        await scripts.run("count", "n", 1)
    stats = await redis_client.info("commandstats")
    assert (stats["cmdstat_eval"]["calls"], stats["cmdstat_evalsha"]["calls"]) == (1, 5)


async def test_scripts_survive_a_storm_of_flushes(scripts, any_client):
    """However often the server forgets a script, each run runs it exactly once."""
    forgetting = True

    async def forget():
        while forgetting:
            await any_client.script_flush()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(forget())
        counts = await asyncio.gather(*(scripts.run("count", "n", 1) for _ in range(500)))
        forgetting = False
    assert sorted(counts) == list(range(1, 501))


async def test_an_error_of_the_script_is_a_response_error(scripts):
    """Whether it is a refusal or a fault; the connection is as good as before."""
    for _ in range(2):
        with pytest.raises(ResponseError, match="NOTYOURS it is not"):
            await scripts.run("refuse", "k")
        with pytest.raises(ResponseError, match="nobody"):
            await scripts.run("fault", "k")
    assert await scripts.run("count", "k", 1) == 1


@pytest.mark.parametrize("durable", [False, True])
async def test_a_script_whose_reply_was_lost_runs_once(valkey, lua, durable):
    """The caller sees an error, and the script is not repeated."""
    async with relayed(valkey.socket, cut_at=b"EVALSHA") as relay:
        client = gateway_client(relay.url)
        await client.script_load(SOURCES["count"])
        with pytest.raises(RedisConnectionError):
            await Scripts(client, folder=lua, wait_replicas=True, wait_ms=1).run("count", "n", 1, durable=durable)
        await client.aclose()
    with valkey.client() as direct:
        assert direct.get("n") == b"1"


@pytest.mark.parametrize("durable", [False, True])
async def test_a_script_whose_reply_was_lost_runs_once_on_a_cluster(cluster, lua, durable):
    """Nor does it on a cluster, whose client looks for another node to talk to; the next run succeeds."""
    for node in cluster.nodes:
        node.call("SCRIPT", "LOAD", SOURCES["count"])
    owner = cluster.owner("n")
    client = gateway_client(cluster.url)
    scripts = Scripts(client, folder=lua, wait_replicas=True, wait_ms=1)
    async with relayed(owner.port, cut_at=b"EVALSHA") as relay:
        client.nodes_manager.address_remap = lambda at: (at[0], relay.port if at[1] == owner.port else at[1])
        with pytest.raises(RedisConnectionError):
            await scripts.run("count", "n", 1, durable=durable)
        client.nodes_manager.address_remap = None
    assert owner.call("GET", "n") == b"1"
    assert await scripts.run("count", "n", 1) == 2
    await client.aclose()


@pytest.mark.parametrize("url", ["valkey_url", "cluster_url"])
async def test_without_a_replica_nothing_is_durable(request, lua, url):
    """The script ran, and the caller is told that this may be lost; only where both sides asked for it."""
    client = gateway_client(request.getfixturevalue(url))
    scripts = Scripts(client, folder=lua, wait_replicas=True, wait_ms=1)
    with pytest.raises(NotDurable):
        await scripts.run("count", "n", 1, durable=True)
    assert issubclass(NotDurable, RedisTrouble)
    assert await scripts.run("count", "n", 1) == 2
    assert await Scripts(client, folder=lua).run("count", "n", 1, durable=True) == 3
    await client.aclose()


async def test_a_durable_run_waits_longer_than_a_command_may_take(own_valkey, lua):
    """The time given to replicas is not cut short by the patience for a server's reply."""
    client = gateway_client(own_valkey.url, command_timeout_s=0.5)
    with pytest.raises(NotDurable):
        await Scripts(client, folder=lua, wait_replicas=True, wait_ms=800).run("count", "n", 1, durable=True)
    await client.aclose()


async def test_a_durable_run_on_a_cluster_waits_for_the_replica_of_its_node(own_cluster, lua):
    """Two nodes have none."""
    client = gateway_client(own_cluster.url)
    scripts = Scripts(client, folder=lua, wait_replicas=True, wait_ms=1000)
    replicated = next(key for key in map(str, range(100)) if own_cluster.owner(key) is own_cluster.nodes[0])
    alone = next(key for key in map(str, range(100)) if own_cluster.owner(key) is own_cluster.nodes[1])
    assert await scripts.run("count", replicated, 1, durable=True) == 1
    with pytest.raises(NotDurable):
        await scripts.run("count", alone, 1, durable=True)
    await client.aclose()


async def test_a_repetition_that_writes_nothing_still_waits_for_the_first_write(sentinel, lua):
    """So a caller that was told NotDurable may run an idempotent script again to learn when it is durable."""
    client = gateway_client(sentinel.url)
    scripts = Scripts(client, folder=lua, wait_replicas=True, wait_ms=50)
    sentinel.replica.pause()
    for _ in range(3):
        with pytest.raises(NotDurable):
            await scripts.run("add", "s", "a", durable=True)
    sentinel.replica.resume()
    assert await until_it_works(lambda: scripts.run("add", "s", "a", durable=True)) == 0
    assert sentinel.replica.call("SMEMBERS", "s") == {b"a"}
    await client.aclose()


@pytest.mark.parametrize("run", range(5))
async def test_what_was_acknowledged_as_durable_survives_a_fail_over(sentinel, lua, run):
    """Also when the replica lagged far behind as the primary died; and the same client goes on by itself."""
    client = gateway_client(sentinel.url)
    patient, hasty = (Scripts(client, folder=lua, wait_replicas=True, wait_ms=wait_ms) for wait_ms in (5000, 50))
    acknowledged = []

    async def write(scripts, member):
        try:
            await scripts.run("fill", "{art}:ballast", durable=True)
            await scripts.run("add", "{art}:written", member, durable=True)
        except RedisTrouble:
            return
        acknowledged.append(member)

    await asyncio.gather(*(write(patient, f"{run} in step {n}") for n in range(20)))
    assert acknowledged
    sentinel.replica.pause()
    await asyncio.gather(*(write(hasty, f"{run} behind {n}") for n in range(100)))
    sentinel.kill_primary()
    sentinel.replica.resume()
    sentinel.until_promoted()
    await until_it_works(lambda: client.set("after", 1))
    assert {member.encode() for member in acknowledged} <= await client.smembers("{art}:written")
    await client.aclose()


async def test_a_missing_script_is_our_own_fault(redis_client, lua):
    """The error names the file."""
    with pytest.raises(FileNotFoundError, match=r"no-such-script\.lua"):
        await Scripts(redis_client, folder=lua).run("no-such-script", "k")

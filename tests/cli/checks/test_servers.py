import pytest


def test_the_embedded_servers_are_checked_where_there_is_no_other(found, tmp_path):
    """And they are what is wanted."""
    told = found(REDIS_URL="", GATEWAY_STATE_DIR=str(tmp_path / "s"))
    assert told("ok", "state").startswith("answers: Valkey 9.")
    assert told("ok", "blobs").startswith("answers: Valkey 9.")
    assert told("ok", "persistence") == "state has an append-only file"


def test_a_cluster_is_checked_as_a_whole(found, cluster_url, policy):
    """What its primaries have in common is one line."""
    told = found(1, REDIS_URL=cluster_url, GATEWAY_BLOBS_URL=policy("allkeys-lru", 10**8))
    assert told("ok", "state").endswith(", 3 primaries")
    assert [about for _, about, _ in told.problems] == ["persistence"]
    assert told("ok", "clock")


def test_state_that_may_be_evicted_is_a_problem(found, policy):
    """For keys and budgets would vanish."""
    assert found(1, REDIS_URL=policy("allkeys-lru", 10**8))("problem", "state").endswith("set noeviction")


def test_a_replica_is_a_problem(found, own_valkey):
    """It takes no writes."""
    with own_valkey.client() as client:
        client.replicaof("127.0.0.1", 1)
    assert "is a replica" in found(1, REDIS_URL=own_valkey.url)("problem", "state")


@pytest.mark.parametrize(("name", "limit"), [("noeviction", 10**8), ("volatile-lru", 10**8), ("allkeys-lru", 0)])
def test_image_bytes_that_cannot_be_evicted_are_a_problem(found, policy, name, limit):
    assert "allkeys-lru" in found(1, GATEWAY_BLOBS_URL=policy(name, limit))("problem", "blobs")


def test_one_server_for_both_is_a_warning(found):
    """Whether it is named once or twice."""
    assert found()("warning", "blobs").startswith("share one server with state")


def test_redis_away_is_a_problem_that_names_the_variable(found):
    assert "REDIS_URL" in found(1, REDIS_URL="unix:///nowhere")("problem", "state")
    assert "GATEWAY_BLOBS_URL" in found(1, GATEWAY_BLOBS_URL="unix:///nowhere")("problem", "blobs")


def test_a_user_that_may_not_do_what_is_needed_is_a_problem(found, own_valkey):
    """Though the server answers."""
    with own_valkey.client() as client:
        client.acl_setuser("art", enabled=True, passwords=["+pw"], commands=["+info", "+time"], keys=["*"])
    told = found(1, REDIS_URL=own_valkey.url.replace("unix://", "unix://art:pw@"))
    assert "REDIS_URL" in told("problem", "state")


def test_a_state_server_that_wants_replicas_is_a_problem(found, own_valkey):
    """It answers, and takes no writes."""
    with own_valkey.client() as client:
        client.config_set("min-replicas-to-write", 1)
    told = found(1, REDIS_URL=own_valkey.url)("problem", "state")
    assert "takes no writes" in told
    assert "min-replicas-to-write" in told


def test_a_full_state_server_is_a_problem(found, policy):
    assert "raise its maxmemory" in found(1, REDIS_URL=policy("noeviction", 1))("problem", "state")


def test_state_of_a_newer_gateway_is_a_problem(found, own_valkey):
    """And the check leaves it as it is."""
    with own_valkey.client() as client:
        client.set("schema", 99)
        told = found(1, REDIS_URL=own_valkey.url)("problem", "state")
        assert [b"schema"] == client.keys("*")
    assert "schema 99" in told
    assert "run that version, or another Redis" in told

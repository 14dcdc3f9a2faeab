"""The embedded store: real servers, whose owners really get killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.processes import StartFailed
from gateway.store.embedded import Embedded, read_run
from tests.support.processes import alive, descendants, kill, until

OWNER = """
import sys, time
from pathlib import Path
from gateway.store.embedded import Embedded
embedded = Embedded(Path(sys.argv[1]), blobs_max_bytes=2**20)
embedded.open()
print(embedded.url("state"), flush=True)
while True:
    time.sleep(0.01)
    embedded.tend()
"""


class Owner:
    """Another process that opens a state directory and tends it."""

    def __init__(self, state_dir):
        self.process = subprocess.Popen([sys.executable, "-c", OWNER, str(state_dir)], stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().decode().strip()

    @property
    def servers(self):
        return descendants(self.process.pid)

    def end(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def owners(tmp_path):
    started = []

    def start(state_dir=tmp_path / "state"):
        started.append(Owner(state_dir))
        return started[-1]

    yield start
    for owner in started:
        if owner.process.returncode is None:
            owner.end()


@pytest.fixture
def opened():
    """Open a state directory here; closed at the end."""
    stores = []

    def open_store(state_dir, **options):
        stores.append(Embedded(state_dir, **({"blobs_max_bytes": 2**20} | options)))
        stores[-1].open()
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def client(url):
    path = unquote(urlsplit(url).path)
    return redis.Redis(unix_socket_path=path, retry=Retry(NoBackoff(), 0), decode_responses=True)


def responsive(url):
    with client(url) as connection:
        try:
            return connection.ping()
        except redis.RedisError:
            return False


def server_pid(url):
    with client(url) as connection:
        return connection.info("server")["process_id"]


def test_state_is_kept_and_blobs_are_evicted(opened, tmp_path):
    """The state server writes an append-only file and never evicts; the blobs server is a bounded cache."""
    store = opened(tmp_path / "s")

    with client(store.url("state")) as state, client(store.url("blobs")) as blobs:
        assert state.config_get("appendonly", "maxmemory-policy") == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
        }
        assert blobs.config_get("appendonly", "maxmemory-policy", "maxmemory") == {
            "appendonly": "no",
            "maxmemory-policy": "allkeys-lru",
            "maxmemory": str(2**20),
        }
    assert store.owned


def test_nobody_else_can_reach_it(opened, tmp_path):
    """The state directory and the sockets' directory are ours alone, and there is no TCP port."""
    store = opened(tmp_path / "s")
    sockets = Path(unquote(urlsplit(store.url("state")).path)).parent

    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert sockets.stat().st_mode & 0o777 == 0o700
    with client(store.url("state")) as state:
        assert state.config_get("port") == {"port": "0"}


def test_a_long_state_directory_still_has_short_sockets(opened, tmp_path):
    """The path of a unix socket may have 107 bytes; the state directory may be deeper than that."""
    store = opened(tmp_path / ("d" * 100) / ("e" * 100))

    assert responsive(store.url("state"))


def test_what_was_written_survives_a_killed_server(opened, tmp_path):
    """A server that is killed is started again at the same URL, with its data, and its death is reported."""
    said = []
    store = opened(tmp_path / "s", report=said.append)
    with client(store.url("state")) as state:
        state.set("kept", "yes")
        until(lambda: state.info("persistence")["aof_pending_bio_fsync"] == 0)

    kill(server_pid(store.url("state")))
    until(lambda: (store.tend(), responsive(store.url("state")))[1], "the restart")

    with client(store.url("state")) as state:
        assert state.get("kept") == "yes"
    assert said[0] == "embedded state server was killed by SIGKILL; starting it again"


def test_a_clean_stop_leaves_data_and_no_sockets(opened, tmp_path):
    """The next start finds the data, at the URL of the last one."""
    first = opened(tmp_path / "s")
    url = first.url("state")
    with client(url) as state:
        state.set("kept", "yes")
    first.close()
    assert not Path(unquote(urlsplit(url).path)).parent.exists()

    second = opened(tmp_path / "s")

    assert second.url("state") == url
    with client(url) as state:
        assert state.get("kept") == "yes"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_servers_die_with_their_owner(owners, number):
    """However the owner ends, no server stays behind."""
    owner = owners()
    servers = owner.servers
    assert len(servers) == 2

    owner.end(number)

    until(lambda: not any(map(alive, servers)), "the end of the servers")


def test_a_second_process_uses_the_owners_servers(owners, opened, tmp_path):
    """Two processes on one state directory share one store; leaving does not stop it for the owner."""
    owner = owners()

    second = opened(tmp_path / "state")

    assert second.url("state") == owner.url
    assert not second.owned
    assert read_run(tmp_path / "state").pid == owner.process.pid
    second.close()
    assert responsive(owner.url)


def test_a_second_process_takes_over_when_the_owner_is_killed(owners, opened, tmp_path):
    """The survivor starts the servers with the same data at the same URL, so clients just reconnect."""
    owner = owners()
    said = []
    second = opened(tmp_path / "state", report=said.append)
    second.publish("http://127.0.0.1:1")
    with client(owner.url) as state:
        state.set("kept", "yes")
    second.tend()
    assert not second.owned

    owner.end()
    until(lambda: (second.tend(), second.owned)[1], "the take-over")

    assert second.url("state") == owner.url
    with client(owner.url) as state:
        assert state.get("kept") == "yes"
    run = read_run(tmp_path / "state")
    assert (run.pid, run.url) == (os.getpid(), "http://127.0.0.1:1")
    assert said == [f"took over the embedded servers of {tmp_path / 'state'}: their owner is gone"]


def test_a_silent_owner_is_named(owners, tmp_path):
    """When the owner's servers never answer, the error says who holds the directory."""
    owner = owners()
    for pid in owner.servers:
        os.kill(pid, signal.SIGSTOP)
    os.kill(owner.process.pid, signal.SIGSTOP)

    with pytest.raises(StartFailed, match=rf"process {owner.process.pid}\) holds .*, but its servers do not answer"):
        Embedded(tmp_path / "state").open(patience_s=0.1)

    for pid in owner.servers:
        os.kill(pid, signal.SIGCONT)


def test_a_squatted_socket_directory_is_not_used(opened, tmp_path):
    """A recorded socket directory that others may enter is given up for a new private one."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "run.json").write_text(f'{{"pid": 1, "sockets": "{open_to_all}"}}')

    store = opened(tmp_path / "s")

    assert str(open_to_all) not in store.url("state")


def test_a_state_directory_that_cannot_be_made_is_one_line(tmp_path):
    """The error names the directory and the reason."""
    (tmp_path / "file").touch()

    with pytest.raises(StartFailed, match=r"cannot make the state directory .*/file/s: Not a directory"):
        Embedded(tmp_path / "file" / "s").open()


def test_a_failed_start_gives_the_lock_back(opened, tmp_path):
    """Who could not start the servers does not keep others from it."""

    def no_binary():
        raise StartFailed("no server here")

    with pytest.raises(StartFailed, match="no server here"):
        opened(tmp_path / "s", binary=no_binary)

    assert opened(tmp_path / "s").owned

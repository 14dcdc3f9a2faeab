"""One embedded server: finding its binary, leftovers of killed owners, and why it does not start."""

import os
import subprocess
from pathlib import Path

import pytest

from gateway.processes import StartFailed
from gateway.store.valkey_server import ValkeyServer, answers, server_binary, try_lock
from tests.support.processes import alive, until


@pytest.fixture
def make(tmp_path, tmp_path_factory):
    servers = []
    sockets = tmp_path_factory.mktemp("s", numbered=True)

    def make_server(*options, **seams):
        server = ValkeyServer("state", tmp_path / "data", sockets / "s.sock", options, report=lambda _: None, **seams)
        servers.append(server)
        return server

    make_server.socket = sockets / "s.sock"
    make_server.data = tmp_path / "data"
    yield make_server
    for server in servers:
        server.stop()


def test_the_binary_is_a_real_server():
    """The one that is found says what it is."""
    said = subprocess.run([server_binary(), "--version"], capture_output=True, text=True, check=True).stdout

    assert "v=" in said


def test_a_start_that_fails_tells_the_servers_own_reason(make):
    """The last line of the server's log, and where the log is."""
    server = make("--maxmemory-policy", "no-such-policy")

    with pytest.raises(
        StartFailed,
        match=r"the embedded state server does not start: argument.s. must be .*noeviction .see .*server.log",
    ):
        server.start()


def test_a_binary_that_cannot_run_is_one_line(make):
    """The error names the program."""
    with pytest.raises(StartFailed, match="cannot start /nonexistent: No such file or directory"):
        make(binary=lambda: "/nonexistent").start()


def test_a_leftover_server_is_ended_first(make):
    """One that outlived its owner makes room, so that two never write to the same files."""
    make.data.mkdir()
    lock = try_lock(make.data / "lock")
    leftover = subprocess.Popen(
        [server_binary(), "--port", "0", "--unixsocket", str(make.socket), "--dir", str(make.data)],
        pass_fds=[lock],
        stdout=subprocess.DEVNULL,
    )
    os.close(lock)
    until(lambda: answers(make.socket), "the leftover's start")

    make().start()

    assert leftover.wait() == 0
    assert answers(make.socket)


def test_files_in_use_are_never_shared(make):
    """Whatever holds the data's lock and does not let go stops the start."""
    make.data.mkdir()
    lock = try_lock(make.data / "lock")
    ticks = iter(range(100))

    with pytest.raises(StartFailed, match="an earlier server still uses"):
        make(clock=lambda: next(ticks), sleep=lambda _: None).start()

    os.close(lock)


def test_stop_ends_the_process(make):
    """After `stop` nothing answers and no process is left."""
    server = make()
    server.start()
    pid = server._child.process.pid

    server.stop()

    assert not alive(pid)
    assert not Path(make.socket).exists()


def test_the_server_itself_holds_the_lock_on_its_files(make):
    """Not its owner, which may die before it: the lock is free when the server's process has ended."""
    server = make()
    server.start()
    assert try_lock(make.data / "lock") is None

    server.stop()

    os.close(try_lock(make.data / "lock"))

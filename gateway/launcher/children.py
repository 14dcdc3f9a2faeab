"""The launcher's Python children: workers, and the sandbox where there is no upstream key."""

import os
import secrets
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.launcher.metrics_files import DIRECTORY, forget_gauges
from gateway.processes import StartFailed, Supervised, spawn, stop
from gateway.settings import Settings

# -P: a folder named gateway where we were started must not be taken for the package.
WORKER = (sys.executable, "-P", "-m", "gateway.worker")
METRICS = (sys.executable, "-P", "-m", "gateway.metrics_server")
SANDBOX = (sys.executable, "-P", "-m", "gateway.sandbox")

_PATIENCE_S = 30.0
_STOP_S = 3.0


class Worker:
    """One process that serves: it inherits `listen_fd` and is handed the settings through a pipe.

    `metrics` is the directory that workers share, each in its `place`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        listen_fd: int,
        settings: Settings,
        report: Callable[[str], None],
        *,
        name: str = "worker",
        metrics: Path | None = None,
        place: int = 0,
    ) -> None:
        self.ready = False
        self.error = ""
        self.child = Supervised(name, self._spawn, report=self._died)
        self._report = report
        self._metrics = metrics
        self._place = place
        self._argv = argv
        self._listen_fd = listen_fd
        self._settings = msgspec.json.encode(settings) + b"\n"
        self._ready_fd: int | None = None

    @property
    def descriptors(self) -> list[int]:
        """What becomes readable when the worker has something to say."""
        return [] if self._ready_fd is None else [self._ready_fd]

    def listen(self) -> None:
        """Hear whether the worker is ready, or why it is not."""
        if self._ready_fd is None or not select.select([self._ready_fd], [], [], 0)[0]:
            return
        word = os.read(self._ready_fd, 65536).decode(errors="replace")
        self._forget_pipe()
        self.ready = word == "ready"
        if word and not self.ready:
            self.error = word

    def close(self) -> None:
        """Kill what is left of the worker."""
        self._forget_pipe()
        if self.child.process is not None:
            stop(self.child.process, 0)

    def _died(self, how: str) -> None:
        if self._metrics is not None:
            forget_gauges(self._metrics, self._place)
        self._report(how)

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._forget_pipe()
        self.ready = False
        environ = {name: value for name, value in os.environ.items() if name != DIRECTORY}
        if self._metrics is not None:
            environ[DIRECTORY] = str(self._metrics)
        self._ready_fd, theirs = os.pipe()
        fds = (self._listen_fd, theirs)
        argv = [*self._argv, *map(str, fds), str(self._place)]
        try:
            process = spawn(argv, stdin=subprocess.PIPE, pass_fds=fds, environ=environ)
        finally:
            os.close(theirs)
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # then it is dead, and that shows soon enough
                process.stdin.write(self._settings)
                process.stdin.flush()
        return process

    def _forget_pipe(self) -> None:
        if self._ready_fd is not None:
            os.close(self._ready_fd)
            self._ready_fd = None


class Addresses(msgspec.Struct):
    """Where the sandbox serves, as it says itself."""

    base_url: str
    tasks_url: str


class Sandbox:
    """The simulated upstream in a process of its own; started again, it keeps its addresses and key."""

    def __init__(self, argv: Sequence[str], report: Callable[[str], None]) -> None:
        self.api_key = f"sk-sandbox-{secrets.token_hex(8)}"
        self.addresses = Addresses("", "")
        self.child = Supervised("sandbox", self._spawn, report=report)
        self._argv = argv

    def start(self) -> None:
        """Start it and learn its addresses; raises StartFailed."""
        self.child.start()
        process = self.child.process
        if process is None or process.stdout is None:
            raise StartFailed("the sandbox has no output")
        heard = select.select([process.stdout], [], [], _PATIENCE_S)[0]
        line = process.stdout.readline() if heard else b""
        try:
            self.addresses = msgspec.json.decode(line, type=Addresses)
        except msgspec.DecodeError:
            raise StartFailed(f"the sandbox does not start: it said {line.decode(errors='replace')!r}") from None

    def close(self) -> None:
        """End it."""
        if self.child.process is not None:
            stop(self.child.process, _STOP_S)

    def _spawn(self) -> subprocess.Popen[bytes]:
        ports = [str(urlsplit(url).port or 0) for url in (self.addresses.base_url, self.addresses.tasks_url)]
        options = ("--port", ports[0], "--tasks-port", ports[1], "--api-key", self.api_key)
        return spawn([*self._argv, *options], stdout=subprocess.PIPE)

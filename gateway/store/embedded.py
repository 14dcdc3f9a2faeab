"""The embedded store: two servers, state and blobs, without any set-up.

Whoever holds `<state_dir>/lock` owns them. Other processes find them through `<state_dir>/run.json`, and one of
those takes over, at the same socket paths, when the owner is gone.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import msgspec

from gateway.processes import StartFailed
from gateway.store.valkey_server import STEP_S, ValkeyServer, answers, server_binary, try_lock

_LONGEST_BASE = 60  # characters; the path of a unix socket may have 103 (macOS) or 107 (Linux) in all


class Run(msgspec.Struct):
    """What `run.json` tells: the owner's process id, where its sockets are, and where it serves, if it does."""

    pid: int
    sockets: str
    url: str | None = None


def read_run(state_dir: Path) -> Run | None:
    """Read who last owned `state_dir`; None when nobody did, or the file makes no sense."""
    try:
        return msgspec.json.decode((state_dir / "run.json").read_bytes(), type=Run)
    except (OSError, msgspec.DecodeError):
        return None


class Embedded:
    """The embedded servers of one state directory, ours or another process's.

    `blobs_max_bytes` is None where only the state server is wanted. `report` is told when a server dies.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        blobs_max_bytes: int | None = None,
        report: Callable[[str], None] = lambda _: None,
        binary: Callable[[], str] = server_binary,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options: dict[str, tuple[str, ...]] = {
            "state": ("--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction")
        }
        if blobs_max_bytes is not None:
            self._options["blobs"] = ("--maxmemory", str(blobs_max_bytes), "--maxmemory-policy", "allkeys-lru")
        self._state_dir = state_dir
        self._report = report
        self._binary = binary
        self._clock = clock
        self._sleep = sleep
        self._sockets = Path()
        self._url: str | None = None
        self._lock: int | None = None
        self._servers: list[ValkeyServer] = []

    @property
    def owned(self) -> bool:
        """Whether the servers are ours, and end with us."""
        return self._lock is not None

    @property
    def owner(self) -> int | None:
        """The process id of the other gateway whose servers these are; None if they are ours."""
        run = None if self.owned else read_run(self._state_dir)
        return run.pid if run else None

    def url(self, name: str) -> str:
        """Tell where the server `state` or `blobs` is; that stays the same through restarts and take-overs."""
        return f"unix://{quote(str(self._socket(name)))}"

    def open(self, patience_s: float = 60.0) -> None:
        """Start the servers, or find the ones that another process started; raises StartFailed."""
        try:
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartFailed(f"cannot make the state directory {self._state_dir}: {error.strerror}") from error
        deadline = self._clock() + patience_s
        while not (self._take_over() or self._reach_owner()):
            if self._clock() > deadline:
                run = read_run(self._state_dir)
                raise StartFailed(
                    f"another gateway (process {run.pid if run else 'unknown'}) holds {self._state_dir}, but its "
                    "servers do not answer: stop it, or choose another GATEWAY_STATE_DIR"
                )
            self._sleep(STEP_S)

    def tend(self) -> None:
        """Restart a server of ours that died, or take over when the owner is gone; raises StartFailed."""
        if self._lock is None and self._take_over():
            self._report(f"took over the embedded servers of {self._state_dir}: their owner is gone")
        for server in self._servers:
            server.tend()

    def publish(self, url: str) -> None:
        """Record where we serve; others read it while the servers are ours."""
        self._url = url
        if self._lock is not None:
            self._write_run()

    def close(self) -> None:
        """Stop the servers and give up the lock, if they are ours."""
        if self._lock is None:
            return
        for server in self._servers:
            server.stop()
        self._servers = []
        shutil.rmtree(self._sockets, ignore_errors=True)
        self._url = None
        self._write_run()
        os.close(self._lock)
        self._lock = None

    def _take_over(self) -> bool:
        self._lock = try_lock(self._state_dir / "lock")
        if self._lock is None:
            return False
        try:
            self._sockets = self._socket_directory()
            self._write_run()
            for name, options in self._options.items():
                self._servers.append(self._server(name, options))
                self._servers[-1].start()
        except BaseException:
            self.close()
            raise
        return True

    def _server(self, name: str, options: tuple[str, ...]) -> ValkeyServer:
        return ValkeyServer(
            name,
            self._state_dir / name,
            self._socket(name),
            options,
            report=self._report,
            binary=self._binary,
            clock=self._clock,
            sleep=self._sleep,
        )

    def _reach_owner(self) -> bool:
        run = read_run(self._state_dir)
        if run is None:
            return False
        self._sockets = Path(run.sockets)
        return all(answers(self._socket(name)) for name in self._options)

    def _socket(self, name: str) -> Path:
        return self._sockets / f"{name}.sock"

    def _socket_directory(self) -> Path:
        run = read_run(self._state_dir)
        if run is not None and _make_private(Path(run.sockets)):
            return Path(run.sockets)
        base = tempfile.gettempdir()
        return Path(tempfile.mkdtemp(prefix="gateway-", dir=base if len(base) <= _LONGEST_BASE else "/tmp"))  # noqa: S108  mkdtemp makes it ours alone

    def _write_run(self) -> None:
        new = self._state_dir / "run.json.new"
        new.write_bytes(msgspec.json.encode(Run(os.getpid(), str(self._sockets), self._url)))
        new.replace(self._state_dir / "run.json")


def _make_private(directory: Path) -> bool:
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077

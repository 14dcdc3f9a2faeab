"""What is measured beside the upstream itself: the gateway as people start it, and the bare yardstick."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from redis import Redis

from gateway.processes import spawn, stop
from gateway.store.embedded import read_run
from tests.bench.echo import ROUTE
from tests.support.processes import descendants

_PATIENCE_S = 30.0
_KEY = "export OPENAI_API_KEY="
_SERVE = (sys.executable, "-m", "gateway", "serve", "--workers", "1", "--port", "0", "--with-key")
_SWITCHED = "tests.bench.switched"
_WORKERS = ("gateway.worker", _SWITCHED)


@dataclass(frozen=True)
class Subject:
    """Something that answers image requests at `url`; `pid` is the process whose work counts, if any does."""

    name: str
    url: str
    key: str = "none"
    pid: int | None = None


@contextmanager
def gateway(
    home: Path,
    upstream: str,
    settings: Mapping[str, str] = MappingProxyType({}),
    *,
    name: str = "gateway",
    argv: Sequence[str] = _SERVE,
) -> Iterator[Subject]:
    """Serve with one worker, embedded store and a real key, from `home`; `settings` are environment variables."""
    home.mkdir()
    ours = {"AIHUBMIX_API_KEY": "sk-bench", "AIHUBMIX_BASE_URL": upstream, "AIHUBMIX_TASKS_URL": upstream}
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "AIHUBMIX_", "REDIS_"))
    }
    with (home / "out").open("wb") as out, (home / "log").open("wb") as log:
        process = subprocess.Popen(
            argv,
            stdout=out,
            stderr=log,
            env=environ | ours | dict(settings) | {"GATEWAY_STATE_DIR": str(state_dir(home))},
        )
    try:
        key = _await_key(home, process)
        run = read_run(state_dir(home))
        workers = [pid for pid, command in descendants(process.pid).items() if any(map(command.count, _WORKERS))]
        yield Subject(name, run.url + ROUTE, key, workers[0])
    finally:
        stop(process, _PATIENCE_S)


def switched(home: Path, upstream: str) -> AbstractContextManager[Subject]:
    """Serve in the same way, with metrics and logs that signals to the worker switch."""
    return gateway(home, upstream, name="switched", argv=(sys.executable, "-m", _SWITCHED))


@contextmanager
def echo(large: Path) -> Iterator[Subject]:
    """Serve the bare application."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        process = spawn(
            [sys.executable, "-m", "tests.bench.echo", str(listener.fileno()), str(large)],
            pass_fds=[listener.fileno()],
        )
        port = listener.getsockname()[1]
    try:
        yield Subject("echo", f"http://127.0.0.1:{port}{ROUTE}", pid=process.pid)
    finally:
        stop(process, _PATIENCE_S)


def state_dir(home: Path) -> Path:
    """Tell where the gateway that serves from `home` keeps its state."""
    return home / "state"


def stores(home: Path) -> dict[str, Redis]:
    """Connect to the embedded servers of the gateway that serves from `home`."""
    sockets = Path(read_run(state_dir(home)).sockets)
    return {name: Redis(unix_socket_path=str(sockets / f"{name}.sock")) for name in ("state", "blobs")}


def _await_key(home: Path, process: subprocess.Popen) -> str:
    give_up = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < give_up:
        for line in (home / "out").read_text().splitlines(keepends=True):
            if line.startswith(_KEY) and line.endswith("\n"):
                return line.removeprefix(_KEY).strip()
        time.sleep(0.02)
    raise SystemExit(f"The gateway does not start:\n{(home / 'log').read_text()}")

"""One worker process: serves the app on a socket that the launcher opened.

Its arguments are two inherited descriptors: the listening socket, and a pipe for the word `ready` or else the error
that kept it from starting; and its place among the workers. The settings come as one line of JSON on standard input,
which stays open for as long as the launcher lives.
"""

import asyncio
import math
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import uvicorn

from gateway import memory
from gateway.catalog import CatalogError
from gateway.http_protocol import HttpProtocol
from gateway.processes import StartFailed
from gateway.settings import Settings
from gateway.telemetry import log, shared

READY = b"ready"
_KEEP_ALIVE_S = 75  # above the 60 s of common proxies, so that it is never us who close on a request under way


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it serves and ends when the launcher has gone."""

    def __init__(self, config: uvicorn.Config, ready_fd: int, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready_fd = ready_fd
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None and not self.should_exit:
            self._loop.call_soon_threadsafe(self._stopping)
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _tell(self._ready_fd, READY)
        loop = self._loop = asyncio.get_running_loop()
        launcher_gone = sys.stdin.fileno()

        def leave() -> None:
            loop.remove_reader(launcher_gone)
            signal.raise_signal(signal.SIGTERM)

        loop.add_reader(launcher_gone, leave)
        memory.freeze()
        self._chore = asyncio.ensure_future(memory.give_back(memory.trimmer()))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._chore.cancel()
        await super().shutdown(sockets)


def run(settings: Settings, make: Callable[[Settings], Any], listen_fd: int, ready_fd: int) -> None:
    """Serve until SIGTERM, then let requests finish within the grace of the settings."""
    log.configure(level=settings.log.level, format=settings.log.format)
    app = make(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.server.shutdown_grace_s),
    )
    stopping = getattr(app, "stopping", lambda: None)
    _Server(config, ready_fd, stopping).run(sockets=[socket.socket(fileno=listen_fd)])


def serve(make: Callable[[Settings], Any]) -> None:
    """Run the app that `make` makes as the launcher's child."""
    listen_fd, ready_fd, *place = map(int, sys.argv[1:])
    shared.take_place(*place)
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    try:
        run(settings, make, listen_fd, ready_fd)
    except Exception as error:  # noqa: BLE001  whatever it is, the launcher must hear of it
        if not isinstance(error, StartFailed | CatalogError):
            traceback.print_exc()
        _tell(ready_fd, f"{error or type(error).__name__}".encode())
        sys.exit(1)


def _tell(ready_fd: int, word: bytes) -> None:
    try:
        os.write(ready_fd, word)
        os.close(ready_fd)
    except OSError:
        pass  # told before, or nobody listens any more


if __name__ == "__main__":
    from gateway.app import create_app

    serve(create_app)

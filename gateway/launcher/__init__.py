"""`gateway serve`: starts what the workers need, then the workers, and keeps all of it alive.

It stays in one thread, because on Linux a child is bound to the thread that started it.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TextIO

from msgspec.structs import replace

from gateway.launcher.banner import SANDBOX_WARNING, banner
from gateway.launcher.children import METRICS, SANDBOX, WORKER, Sandbox, Worker
from gateway.launcher.listener import listen, url_of
from gateway.launcher.metrics_files import metrics_directory, place_for
from gateway.launcher.signals import Signals
from gateway.processes import StartFailed
from gateway.settings import Settings
from gateway.store.clients import connect_state, connect_stores
from gateway.store.connection import RedisTrouble
from gateway.store.embedded import Embedded
from gateway.store.keys import Keys
from gateway.store.schema import SchemaTooNew, migrate

_TICK_S = 0.2
_START_S = 60.0
_TRIES = 3
_MARGIN_S = 10.0  # what a worker has, after the grace, to hand over and close
_RUN_KEY_S = 7 * 86_400


def _say(line: str) -> None:
    _write(sys.stderr, f"gateway: {line}\n")


def _write(stream: TextIO | None, text: str) -> None:
    """Write to a stream that may be closed or full: what is under way is paid for, whoever hears of it."""
    with suppress(OSError, ValueError):
        if stream is not None:
            stream.write(text)
            stream.flush()


class Launcher:
    """The one process that a person starts and stops."""

    def __init__(
        self,
        settings: Settings,
        *,
        with_key: bool = False,
        worker: Sequence[str] = WORKER,
        sandbox: Sequence[str] = SANDBOX,
        say: Callable[[str], None] = _say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._with_key = with_key
        self._worker_argv = worker
        self._sandbox_argv = sandbox
        self._say = say
        self._clock = clock
        self._signals = Signals()
        self._embedded: Embedded | None = None
        self._sandbox: Sandbox | None = None
        self._workers: list[Worker] = []
        self._metrics_server: Worker | None = None

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT (a second SIGINT does not wait); raises StartFailed or SettingsError."""
        server = self._settings.server
        with ExitStack() as stack:
            stack.enter_context(self._signals)
            listener = stack.enter_context(closing(listen(server.host, server.port)))
            metrics = self._listen_for_metrics(stack)
            self._open_store(stack)
            asyncio.run(self._migrate())
            self._open_upstream(stack)
            self._start_workers(stack, listener, metrics)
            self._announce(url_of(listener), url_of(metrics) if metrics else "")
            self._signals.hold()
            while not self._signals.stops:
                self._tend()
                self._signals.wait(_TICK_S)
            listener.close()  # from now on a client is refused, not left waiting in the backlog
            self._drain()

    def _open_store(self, stack: ExitStack) -> None:
        settings = self._settings
        if settings.redis.url:
            blobs = settings.blobs.url or settings.redis.url
            self._settings = replace(settings, blobs=replace(settings.blobs, url=blobs))
            connect_stores(self._settings)  # a URL that cannot be used is told before anything starts
            return
        own_blobs = None if settings.blobs.url else settings.blobs.max_bytes
        self._embedded = Embedded(Path(settings.server.state_dir), blobs_max_bytes=own_blobs, report=self._say)
        stack.callback(self._embedded.close)
        self._embedded.open()
        self._settings = replace(
            settings,
            redis=replace(settings.redis, url=self._embedded.url("state")),
            blobs=replace(settings.blobs, url=settings.blobs.url or self._embedded.url("blobs")),
        )

    def _open_upstream(self, stack: ExitStack) -> None:
        upstream = self._settings.upstream
        if upstream.api_key:
            return
        self._sandbox = Sandbox(self._sandbox_argv, self._say)
        stack.callback(self._sandbox.close)
        self._sandbox.start()
        where = self._sandbox.addresses
        upstream = replace(upstream, api_key=self._sandbox.api_key, base_url=where.base_url, tasks_url=where.tasks_url)
        self._settings = replace(self._settings, upstream=upstream)
        _write(sys.stderr, SANDBOX_WARNING + "\n")

    def _listen_for_metrics(self, stack: ExitStack) -> socket.socket | None:
        metrics = self._settings.metrics
        if not metrics.port:
            return None
        return stack.enter_context(closing(listen(metrics.host, metrics.port, option="GATEWAY_METRICS_PORT")))

    def _start_workers(self, stack: ExitStack, listener: socket.socket, metrics: socket.socket | None) -> None:
        settings, say = self._settings, self._say
        several = settings.server.workers > 1 or metrics is not None  # processes that have to be added up
        folder = stack.enter_context(metrics_directory(place_for(settings.server.workers))) if several else None
        self._workers = [
            Worker(self._worker_argv, listener.fileno(), settings, say, metrics=folder, place=place)
            for place in range(settings.server.workers)
        ]
        if metrics is not None:
            self._metrics_server = Worker(
                METRICS,
                metrics.fileno(),
                settings,
                say,
                name="metrics server",
                metrics=folder,
                place=len(self._workers),
            )
        for worker in self._serving():
            stack.callback(worker.close)
            worker.child.start()
        deadline = self._clock() + _START_S
        while not all(worker.ready for worker in self._serving()):
            self._signals.wait(_TICK_S, [fd for worker in self._serving() for fd in worker.descriptors])
            self._tend()
            for worker in self._serving():
                if worker.error:
                    raise StartFailed(f"a {worker.child.name} cannot start: {worker.error}")
                if worker.child.young_deaths >= _TRIES:
                    raise StartFailed(
                        f"a {worker.child.name} died {_TRIES} times before it was ready: see what it said above"
                    )
            if self._clock() > deadline:
                raise StartFailed(f"the workers are not ready after {_START_S:.0f} seconds")

    def _announce(self, url: str, metrics_url: str) -> None:
        if self._embedded is not None:
            self._embedded.publish(url)
        text = banner(
            self._settings,
            url,
            sandbox=self._sandbox is not None,
            embedded=self._embedded is not None,
            metrics_url=metrics_url,
            owner=self._embedded.owner if self._embedded is not None else None,
            secret=asyncio.run(self._mint()) if self._with_key else "",
        )
        _write(sys.stdout, text + "\n")

    async def _migrate(self) -> None:
        client = connect_state(self._settings)
        try:
            await migrate(client)
        except SchemaTooNew as error:
            raise StartFailed(str(error)) from None
        except RedisTrouble:
            self._say("Redis does not answer yet: requests get 503 until it does")
        finally:
            await client.aclose()

    async def _mint(self) -> str:
        client = connect_state(self._settings)
        try:
            return (await Keys(client).create("default", "make run", _RUN_KEY_S)).secret
        finally:
            await client.aclose()

    def _serving(self) -> list[Worker]:
        return [*self._workers, *([self._metrics_server] if self._metrics_server else [])]

    def _tend(self) -> None:
        for worker in self._serving():
            worker.listen()
            worker.child.tend()
        if self._sandbox is not None:
            self._sandbox.child.tend()
        self._tend_store()

    def _tend_store(self) -> None:
        try:
            if self._embedded is not None:
                self._embedded.tend()
        except StartFailed as failure:
            self._say(str(failure))

    def _drain(self) -> None:
        self._say("stopping once requests have finished; Ctrl-C stops at once")
        processes = [worker.child.process for worker in self._workers if worker.child.process is not None]
        for process in processes:
            process.terminate()
        deadline = self._clock() + self._settings.server.shutdown_grace_s + _MARGIN_S
        while [process for process in processes if process.poll() is None]:
            if self._signals.hurry or self._clock() > deadline:
                break  # closing a worker kills what is left of it
            self._tend_store()
            self._signals.wait(_TICK_S)

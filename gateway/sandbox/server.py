"""The sandbox on real ports: in this process until a signal, or in a thread beside its caller."""

import asyncio
import concurrent.futures
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self, TypeVar

import msgspec
import uvicorn

from gateway.sandbox.app import Sandbox
from gateway.sandbox.control import Order, arm
from gateway.sandbox.record import Call, Stats
from gateway.sandbox.wire import TransportProtocol
from gateway.sandbox.world import Origins, Settings, World

Result = TypeVar("Result")
_PATIENCE = 10.0  # seconds, for what takes milliseconds


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it accepts connections."""

    def __init__(self, app: Sandbox, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=TransportProtocol,
                loop="uvloop",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                timeout_graceful_shutdown=0,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


class _Listeners:
    """Three bound sockets and their addresses."""

    def __init__(self, host: str, ports: Sequence[int]) -> None:
        with ExitStack() as undo:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.sockets = [
                undo.enter_context(socket.create_server((host, port), family=family, backlog=1024)) for port in ports
            ]
            undo.pop_all()
        name = f"[{host}]" if ":" in host else host
        self.origins = Origins(*(f"http://{name}:{bound.getsockname()[1]}" for bound in self.sockets))


def run(
    host: str = "127.0.0.1",
    port: int = 0,
    tasks_port: int = 0,
    settings: Settings | None = None,
    *,
    clock: Callable[[], float] = time.time,  # noqa: TID251  this is where the clock comes in
) -> None:
    """Serve until SIGTERM or SIGINT; prints one JSON line with `base_url` and `tasks_url` when ready.

    A port of 0 is any free port. Raises OSError when a port is taken.
    """
    listeners = _Listeners(host, (port, tasks_port, 0))
    origins = listeners.origins
    line = msgspec.json.encode({"base_url": origins.api, "tasks_url": origins.tasks}).decode()

    def announce() -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    _Server(Sandbox(settings or Settings(), origins, clock), announce).run(listeners.sockets)


class RunningSandbox:
    """The sandbox in a thread of its own: `with RunningSandbox() as sandbox: ...`, from sync and async code."""

    api_key = "sk-sandbox-0000"

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tasks_port: int = 0,
        clock: Callable[[], float] = time.time,  # noqa: TID251  this is where the clock comes in
    ) -> None:
        self._listeners = _Listeners(host, (port, tasks_port, 0))
        self.base_url = self._listeners.origins.api
        self.tasks_url = self._listeners.origins.tasks
        self._app = Sandbox(settings or Settings(), self._listeners.origins, clock)
        self._loop: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._server = _Server(self._app, lambda: self._loop.set_result(asyncio.get_running_loop()))
        self._thread = threading.Thread(
            target=self._server.run, args=(self._listeners.sockets,), name="sandbox", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop.result(_PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_PATIENCE)

    @property
    def calls(self) -> list[Call]:
        """The last calls, oldest first, as they stand now."""
        return self._ask(lambda world: _copied(list(world.record.calls), list[Call]))

    def stats(self) -> Stats:
        """Tell what was charged so far, in all and by model."""
        return self._ask(lambda world: _copied(world.record.stats, Stats))

    def drill(self, model: str, drill: str, times: int = 1) -> None:
        """Arm a drill for the next `times` paid calls of a model; raises ValueError for an unknown one."""
        self._ask(lambda world: arm(world, Order(model, drill, times)))

    def release(self) -> None:
        """Let held replies and tasks go."""
        self._ask(World.release)

    def reset(self) -> None:
        """Forget all calls, drills, tasks and links; let held replies go."""
        self._ask(lambda _: self._app.reset())

    def wait_for(self, seen: Callable[[], bool], timeout: float = _PATIENCE) -> None:
        """Wait until something is so, looking again and again; raises TimeoutError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not seen():
            if time.monotonic() > deadline:
                raise TimeoutError(f"it did not happen within {timeout:g} s")
            time.sleep(0.005)

    def _ask(self, question: Callable[[World], Result]) -> Result:
        async def ask() -> Result:
            return question(self._app.world)

        return asyncio.run_coroutine_threadsafe(ask(), self._loop.result()).result(_PATIENCE)


def _copied(value: object, kind: type[Result]) -> Result:
    # The sandbox goes on writing to its own record.
    return msgspec.convert(msgspec.to_builtins(value), kind)

"""Any ASGI application in a thread of this process, on a real port."""

import asyncio
import concurrent.futures
import socket
import threading
from contextlib import contextmanager

import uvicorn

_PATIENCE_S = 20


class _Server(uvicorn.Server):
    def __init__(self, config, ready):
        super().__init__(config)
        self._when_ready = ready

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self._when_ready.set_result(asyncio.get_running_loop())


@contextmanager
def serving(make):
    """Serve the application that `make()` returns in the server's own thread; gives its URL."""
    ready = concurrent.futures.Future()
    listener = socket.create_server(("127.0.0.1", 0))
    server = None

    def serve():
        nonlocal server
        try:
            server = _Server(uvicorn.Config(make(), loop="uvloop", log_config=None, access_log=False), ready)
            server.run(sockets=[listener])
        except BaseException as error:  # noqa: BLE001  it belongs to the waiting test
            ready.set_exception(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.result(_PATIENCE_S)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(_PATIENCE_S)
        assert not thread.is_alive(), "the application did not stop"

"""HTTP/1.1 as uvicorn speaks it, and what it leaves to others: heads have bounds, every refusal is an envelope.

A client that wants another protocol (`Upgrade: h2c`) is answered in this one, as HTTP allows.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.api.access import ALWAYS, UNROUTED, new_request_id
from gateway.api.errors import framework_envelope
from gateway.telemetry.events import RequestFinished

_MALFORMED = "This is not a request in HTTP/1.1."
_LINGER_S = 2.0


class _HeadTooLarge(Exception):
    """Raised in the parser's callback, where it becomes the context of the parser's own error."""


class HttpProtocol(HttpToolsProtocol):
    """One connection. uvicorn makes it, so its limits are attributes of the class.

    `head_bytes` bounds a request's line and headers; of what cannot be told apart yet, at most that and one read are
    held. `head_timeout_s` is how long a client may take to say a whole head while nothing else is under way.
    """

    head_bytes: ClassVar[int] = 64 * 1024
    head_timeout_s: ClassVar[float] = 60.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._untold_bytes = 0  # read since the parser last had something to tell
        self._is_deaf = False
        self._running: RequestResponseCycle | None = None
        self._on_reset: Callable[[], None] | None = None
        self._was_reset = False

    def when_reset(self, tell: Callable[[], None]) -> None:
        """Call `tell` if the client resets the connection before it asks for more: then it has not read its answer.

        If it has done so already, `tell` is called at once. Applications find this in the scope's state.
        """
        if self._was_reset:
            tell()
        else:
            self._on_reset = tell

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._running is not None and not self._running.response_complete:
            # uvicorn tells only the last request of a pipeline; this one would take its picture for delivered
            self._running.disconnected = True
            self._running.message_event.set()
        self._was_reset = exc is not None
        if self._was_reset and self._on_reset is not None:
            self._on_reset()
        self._on_reset = None  # it holds pictures
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unset_keepalive_if_required()
        self._untold_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(431 if isinstance(error.__context__, _HeadTooLarge) else 400)
        else:
            if self._untold_bytes > self.head_bytes:
                self._refuse(431)
            elif self.cycle is None or self.cycle.response_complete:
                self._await_head()

    def on_message_begin(self) -> None:
        self._is_in_head = True
        self._untold_bytes = 0
        self._on_reset = None
        super().on_message_begin()
        self.scope["state"]["when_reset"] = self.when_reset

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # a trailer must not pass for a header
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._untold_bytes = 0
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self.head_bytes:
            raise _HeadTooLarge
        self._stop_timer()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._untold_bytes = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request once more without its wish, for the parser takes the body to be in the other protocol."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self._refuse(405)
            return
        kept = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([method + b" " + self.url + b" HTTP/" + version, *kept, b"", rest]))

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_timeout_s, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._is_in_head:
            self._refuse(408)
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int) -> None:
        """Answer with an error and close; what was asked before, and may be paid for, is answered first."""
        self._is_deaf = True
        self._stop_timer()
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._answer(status)
        elif not cycle.more_body:
            cycle.keep_alive = False
        elif cycle.response_started or self.pipeline:
            self.transport.close()
        else:  # it is the body of this request that is wrong
            cycle.disconnected = True
            cycle.message_event.set()
            self._answer(status)

    def _answer(self, status: int) -> None:
        request_id = new_request_id()
        if emit := self.app_state.get("emit"):
            emit(RequestFinished(request_id, method="", route=UNROUTED, status=status, seconds=0.0, facts={}))
        body = framework_envelope(status, _MALFORMED)
        headers = [
            *self.server_state.default_headers,
            *ALWAYS,
            (b"x-request-id", request_id.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        # Closed while the client still sends, the connection would be reset and the answer lost.
        self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_S, self.transport.close)

"""The ASGI wrapper around everything: request id, tidy paths, CORS, one event per request, and no bare 500."""

from collections.abc import Callable
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.errors import envelope_of, fault, headers_of
from gateway.ids import hex_digits
from gateway.telemetry.events import Emit, RequestFinished
from gateway.telemetry.log import tag

_EXPOSED = (
    "x-request-id, retry-after, retry-after-ms, x-should-retry, openai-processing-ms, age, "
    "x-gateway-cache, x-gateway-cost-usd, x-gateway-generation-id, x-gateway-adjusted, x-gateway-ignored, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    "x-ratelimit-limit-images, x-ratelimit-remaining-images, x-ratelimit-reset-images"
)
ALWAYS: list[tuple[bytes, bytes]] = [
    (b"access-control-allow-origin", b"*"),  # also where no script asks: a cached picture may be asked for by one later
    (b"openai-version", b"2020-10-01"),
    (b"x-content-type-options", b"nosniff"),
]
_FOR_BROWSERS: list[tuple[bytes, bytes]] = [(b"access-control-expose-headers", _EXPOSED.encode()), *ALWAYS]
UNROUTED = "unrouted"


class Access:
    """Wraps the application. `clock` is monotonic, in seconds.

    Handlers add what the log should know to `scope["state"]["facts"]`, headers that every reply should have to
    `scope["state"]["reply_headers"]`, and a fault to `scope["state"]["error"]`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._app = app
        self._clock = clock
        self._emit = emit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] != ScopeType.HTTP:
            cast("Any", scope).get("state", {})["emit"] = self._emit  # for what the server refuses before us
            await self._app(scope, receive, send)
            return
        request = _Request(scope, send, self._clock)
        tag(request_id=request.id)  # what it starts, a generation for one, tells of it as well
        try:
            if scope["method"] == "OPTIONS":
                await request.preflight()
            else:
                await self._app(request.scope, receive, request.send)
        except Exception as error:  # noqa: BLE001  the last net: whatever it is, the client gets an envelope
            request.state["error"] = error
            if request.status == 0:
                await request.fail()
        finally:
            self._emit(request.finished())


class _Request:
    def __init__(self, scope: Any, send: Send, clock: Callable[[], float]) -> None:
        self._method: str = scope["method"]
        # HEAD is answered as GET; the server, which keeps the scope that it made, sends no body.
        self.scope: Any = {**scope, "method": "GET"} if self._method == "HEAD" else scope
        self._send = send
        self._clock = clock
        self._started = clock()
        self.id = new_request_id()
        self.status = 0
        self.state: dict[str, Any] = {**self.scope.get("state", {}), "facts": {}, "reply_headers": {}}
        self.scope["state"] = self.state
        self._from_browser = any(name == b"origin" for name, _ in scope["headers"])
        self.scope["path"] = _tidy(self.scope["path"])

    async def send(self, message: Message) -> None:
        """Add our headers to the reply's head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            took = int((self._clock() - self._started) * 1000)
            message["headers"] = [
                *message["headers"],
                *(_FOR_BROWSERS if self._from_browser else ALWAYS),
                (b"x-request-id", self.id.encode()),
                (b"openai-processing-ms", str(took).encode()),
                *[(name.encode(), value.encode()) for name, value in self.state["reply_headers"].items()],
            ]
        await self._send(message)

    async def preflight(self) -> None:
        """Answer a CORS preflight; reflecting what is asked is what lets every browser SDK through."""
        asked = dict(self.scope["headers"]).get(b"access-control-request-headers", b"authorization, content-type")
        headers = [
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-allow-headers", asked),
            (b"access-control-max-age", b"86400"),
            (b"vary", b"access-control-request-headers"),
        ]
        await self._reply(204, headers, b"")

    async def fail(self) -> None:
        """Answer where nothing else did."""
        error = fault()
        headers = [(name.encode(), value.encode()) for name, value in headers_of(error).items()]
        await self._reply(500, [(b"content-type", b"application/json"), *headers], envelope_of(error))

    async def _reply(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        length = [(b"content-length", str(len(body)).encode())] if status != 204 else []
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def finished(self) -> RequestFinished:
        """Sum the request up; a client that left before the head of the reply counts as 499."""
        return RequestFinished(
            request_id=self.id,
            method=self._method,
            route=self.scope.get("path_template") or UNROUTED,
            status=self.status or 499,
            seconds=self._clock() - self._started,
            facts=self.state["facts"],
            error=self.state.get("error"),
        )


def new_request_id() -> str:
    """Make the name under which a client reports a problem."""
    return f"req_{hex_digits(32)}"


def _tidy(path: str) -> str:
    """Accept `//v1/...` and a trailing slash, which join-happy clients send."""
    while "//" in path:
        path = path.replace("//", "/")
    return path.rstrip("/") or "/"

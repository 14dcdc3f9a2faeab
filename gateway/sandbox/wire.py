"""What comes in and what goes out, HTTP without a framework: drills need the transport itself."""

import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Origin = Literal["api", "tasks", "polling"]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` and `query` stay as they were sent, percent-encoding included."""

    origin: Origin
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """Path and query as they stood in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Ending(Enum):
    """How a reply leaves the wire."""

    WHOLE = auto()
    HALF = auto()  # every header, half of the announced body, then an orderly close
    RESET = auto()  # a TCP reset before the first byte
    SILENCE = auto()  # nothing, until the client gives up


@dataclass(slots=True)
class Reply:
    """One reply; `delay` is in seconds, `held` waits for the release of all held replies."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    ending: Ending = Ending.WHOLE
    delay: float = 0.0
    held: bool = False


class Refused(Exception):
    """The request ends here, with this reply."""

    def __init__(self, reply: Reply, why: str) -> None:
        super().__init__(why)
        self.reply = reply


def json_reply(value: Any, status: int = 200) -> Reply:
    """Make a JSON reply."""
    return Reply(status=status, body=msgspec.json.encode(value))


class TransportProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also hands its transport to the application."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


async def read_request(scope: Mapping[str, Any], receive: Receive, origin: Origin) -> Request:
    """Read a request to the end of its body."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return Request(
        origin=origin,
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=bytes(body),
    )


async def deliver(reply: Reply, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Send a reply, or fail to, the way its ending says."""
    transport = scope["state"]["transport"]
    if reply.ending is Ending.SILENCE:
        await _until_disconnected(receive)
    elif reply.ending is Ending.RESET:
        _reset(transport)
        await _until_disconnected(receive)
    elif reply.ending is Ending.HALF:
        await _start(reply, send)
        await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
        transport.close()
        await _until_disconnected(receive)
    else:
        await _start(reply, send)
        await send({"type": "http.response.body", "body": reply.body})


async def _start(reply: Reply, send: Send) -> None:
    headers = {"content-type": reply.content_type, "content-length": str(len(reply.body)), **reply.headers}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _reset(transport: Any) -> None:
    # A linger time of zero makes the kernel send RST instead of FIN.
    connection = cast("socket.socket", transport.get_extra_info("socket"))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()

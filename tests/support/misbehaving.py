"""A small TCP server on loopback that misbehaves as told, and records exactly what it received."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import trustme

ANSWER = b'{"output":[]}'


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def target(self) -> bytes:
        return self.head.split(b" ", 2)[1]


class Connection:
    """The server's end of one connection, with the means to misbehave on it."""

    def __init__(self, server: "MisbehavingServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._server = server
        self._reader = reader
        self._writer = writer

    async def read_head(self) -> bytes:
        head = await self._reader.readuntil(b"\r\n\r\n")
        self._server.requests.append(Received(head, b""))
        return head

    async def read_request(self) -> Received:
        head = await self.read_head()
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        body = await self._reader.readexactly(int(lengths[0]) if lengths else 0)
        self._server.requests[-1] = Received(head, body)
        return self._server.requests[-1]

    async def send(self, data: bytes) -> None:
        if self._writer.is_closing():  # uvloop would raise a RuntimeError
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()

    async def wait_closed_by_client(self) -> None:
        await self._reader.read()

    async def close_while_idle(self) -> None:
        """Half-close, and return once the client has noticed and closed its own half."""
        self._writer.write_eof()
        await self._reader.read()

    def reset(self) -> None:
        """Close with a TCP RST instead of a FIN."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Behaviour = Callable[[Connection], Awaitable[None]]


@dataclass
class MisbehavingServer:
    """Plays `behaviours[i]` on its i-th connection, the last one on all further ones."""

    behaviours: tuple[Behaviour, ...]
    url: str = ""
    requests: list[Received] = field(default_factory=list)
    accepted: int = 0
    peak: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def wait_for(self, condition: Callable[["MisbehavingServer"], bool]) -> None:
        """Wait until `condition` holds."""
        async with asyncio.timeout(10):
            while not condition(self):  # noqa: ASYNC110  many parts change what it looks at
                await asyncio.sleep(0.001)

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        behaviour = self.behaviours[min(self.accepted, len(self.behaviours) - 1)]
        self.accepted += 1
        self.peak = max(self.peak, self.open_connections)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await behaviour(Connection(self, reader, writer))
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def misbehaving(
    *behaviours: Behaviour, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[MisbehavingServer]:
    """Run a server on an ephemeral port of `host`; its `url` has no path."""
    server = MisbehavingServer(behaviours)
    listener = await asyncio.start_server(server.handle, host, 0, ssl=tls, limit=1 << 20)
    name = f"[{host}]" if ":" in host else host
    server.url = f"{'https' if tls else 'http'}://{name}:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()


def http_reply(status: int = 200, headers: dict[str, str] | None = None, body: bytes = ANSWER) -> bytes:
    """Spell a reply, with the right Content-Length unless `headers` has another."""
    fields = {"Content-Length": str(len(body))} | (headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + body


def answering(*replies: bytes) -> Behaviour:
    """Answer each request of a connection with the next reply, then with the last one for ever."""

    async def behaviour(connection: Connection) -> None:
        remaining = list(replies) or [http_reply()]
        while True:
            await connection.read_request()
            await connection.send(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    return behaviour


def answering_then_ending(reply: bytes) -> Behaviour:
    """Answer one request, then close the connection: what is missing of the reply stays missing."""

    async def behaviour(connection: Connection) -> None:
        await connection.read_request()
        await connection.send(reply)

    return behaviour


async def silence(connection: Connection) -> None:
    """Read nothing as HTTP and say nothing until the client leaves."""
    await connection.wait_closed_by_client()


async def read_then_silence(connection: Connection) -> None:
    """Read the request and say nothing until the client leaves."""
    await connection.read_request()
    await connection.wait_closed_by_client()


async def never_reading(_: Connection) -> None:
    """Accept and take not even the bytes in, until cancelled."""
    await asyncio.Event().wait()


async def reset_on_accept(connection: Connection) -> None:
    connection.reset()


async def reset_after_head(connection: Connection) -> None:
    await connection.read_head()
    connection.reset()


async def reset_after_body(connection: Connection) -> None:
    await connection.read_request()
    connection.reset()


async def close_after_body(connection: Connection) -> None:
    await connection.read_request()


def dripping(head: bytes) -> Behaviour:
    """Send `head`, then one byte every few milliseconds for ever: no read time-out ever strikes."""

    async def behaviour(connection: Connection) -> None:
        await connection.read_request()
        await connection.send(head)
        while True:
            await connection.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.005)

    return behaviour


def closed_port() -> int:
    """Find a port of 127.0.0.1 where nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """Listen with a full accept queue, so that the kernel drops every further SYN; yields the URL."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def certified(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a server context with a certificate for `names`, and a client context that trusts its authority."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server)
    authority.configure_trust(client)
    return server, client

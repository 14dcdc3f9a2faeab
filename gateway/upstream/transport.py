"""An httpx transport on aiohttp: many calls in flight at little cost, failures named for what they prove."""

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import httpx
import yarl
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import LooseHeaders

AddrInfo = tuple[int, int, int, str, tuple[Any, ...]]

_WRITE_BYTES = 64 * 1024
_READ_BYTES = 1024 * 1024  # a picture in a few reads, not in hundreds
_HEADER_BYTES = 64 * 1024  # aiohttp's own 8190 would lose a paid reply to one long header


class _WriteStalled(TimeoutError):
    pass


# Most specific first. The first group is raised by aiohttp's connector alone, before a byte of the request is
# written: only these may become the exceptions that mean "never sent".
_FAILURES: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),  # refused, unreachable, DNS, TLS, or the proxy's own
    (aiohttp.ClientHttpProxyError, httpx.ConnectError),  # the proxy refused the tunnel
    (_WriteStalled, httpx.WriteTimeout),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (HttpProcessingError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.LocalProtocolError),
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
    (ValueError, httpx.LocalProtocolError),  # a host or header that cannot be spelled
)


class _translated:  # noqa: N801  a context manager, on a path where contextlib's generators are felt
    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: type[BaseException] | None, exc: BaseException | None, _traceback: object) -> None:
        for raised, meaning in _FAILURES if exc else ():
            if isinstance(exc, raised):
                # Only the type's name: aiohttp's own messages hold URLs, and those may be signed.
                raise meaning(type(exc).__name__) from exc


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp itself re-sends idempotent methods on its own errors: so it never gets to see them.
    with _translated():
        return await send(request)


class _TimedBody(aiohttp.BytesIOPayload):
    """A request body whose every write is timed: aiohttp starts its read timer only once the body is out."""

    def __init__(self, body: bytes, write_timeout_s: float | None) -> None:
        super().__init__(io.BytesIO(body))
        self._write_timeout_s = write_timeout_s

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        del content_length  # httpx sent the length of this very body
        chunk = self._value.read(_WRITE_BYTES)
        while chunk:
            try:
                async with asyncio.timeout(self._write_timeout_s):
                    await writer.write(chunk)
            except TimeoutError as exc:
                raise _WriteStalled from exc
            chunk = self._value.read(_WRITE_BYTES)
            if chunk:  # a large body must not hold the loop; a small one must not outlive a quick reply
                await asyncio.sleep(0)


def _payload(body: bytes, write_timeout_s: float | None) -> _TimedBody | bytes | None:
    """Take a body as it is where it fits into one write, which cannot stall."""
    return (body if len(body) <= _WRITE_BYTES else _TimedBody(body, write_timeout_s)) or None


class _ResponseBody(httpx.AsyncByteStream):
    def __init__(
        self, response: aiohttp.ClientResponse, read_timeout_s: float | None, free_slot: Callable[[], None]
    ) -> None:
        self._response = response
        self._read_timeout_s = read_timeout_s
        self._free_slot = free_slot

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._read():
            yield chunk

    async def _read(self) -> bytes:
        content = self._response.content
        with _translated():
            if content.at_eof():
                return b""
            if self._read_timeout_s is None:
                return await content.readany()
            # Timed here too: aiohttp 3.14 stops its own timer, and wakes nobody, on broken framing within a body.
            async with asyncio.timeout(self._read_timeout_s):
                return await content.readany()

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()  # back to the pool
        else:
            self._response.close()
        self._free_slot()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends each request once and exactly as given: never again, never redirected, no cookies, no environment.

    `limit` is the number of calls in flight; past it a call waits for its pool timeout.
    `keepalive_s` is how long an idle connection is kept, in seconds. The default stays below the shortest
    common limit of servers (5 s: Node.js, uvicorn), for a connection that the server closes just as a paid call
    goes out leaves that call's outcome unknown.
    `guard` is called with each IP address about to be connected to; it refuses by raising `PermissionError`.

    Only `httpx.ConnectError`, `ConnectTimeout` and `PoolTimeout` prove that nothing was sent.
    """

    def __init__(
        self,
        *,
        limit: int = 100,
        keepalive_s: float = 4.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        guard: Callable[[str], None] | None = None,
    ) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._keepalive_s = keepalive_s
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return once the head of its reply is here; raises `httpx.TransportError`."""
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        await self._take_slot(timeouts.get("pool"))
        try:
            response = await self._send(request, timeouts)
        except BaseException:
            self._slots.release()
            raise
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=_ResponseBody(response, timeouts.get("read"), self._slots.release),
        )

    async def aclose(self) -> None:
        """Close every connection; calls in flight fail."""
        if self._session is not None:
            await self._session.close()

    async def _take_slot(self, timeout_s: float | None) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._slots.acquire()
        except TimeoutError as exc:
            raise httpx.PoolTimeout("No connection became free") from exc

    async def _send(self, request: httpx.Request, timeouts: dict[str, float | None]) -> aiohttp.ClientResponse:
        body = await request.aread()
        headers: LooseHeaders = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw]
        with _translated():
            return await self._open_session().request(
                request.method,
                yarl.URL(str(request.url), encoded=True),  # a signed URL must arrive byte for byte
                headers=headers,
                data=_payload(body, timeouts.get("write")),
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=timeouts.get("connect"), sock_read=timeouts.get("read")
                ),
                allow_redirects=False,
                proxy=self._proxy,
            )

    def _open_session(self) -> aiohttp.ClientSession:
        # On first use, since aiohttp binds a session to the running loop.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,  # _slots counts, so that waiting for one and connecting have separate timeouts
                    keepalive_timeout=self._keepalive_s,
                    ssl=self._ssl_context or httpx.create_ssl_context(),
                    socket_factory=self._open_socket,
                ),
                middlewares=(_once,),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=_READ_BYTES,
                auto_decompress=False,  # httpx decodes
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
            )
        return self._session

    def _open_socket(self, addr_info: AddrInfo) -> socket.socket:
        family, kind, proto, _, address = addr_info
        if self._guard is not None:
            self._guard(str(address[0]))
        return socket.socket(family, kind, proto)

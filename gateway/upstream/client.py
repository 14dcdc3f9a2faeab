"""Calls to Aihubmix: the only holder of its key."""

import asyncio
import functools
from typing import Literal, NamedTuple

import httpx

from gateway import __version__
from gateway.upstream import failures
from gateway.upstream.body import TooLarge, read_capped
from gateway.upstream.failures import CallFailed, Reason, Verdict

Origin = Literal["api", "tasks"]

_ERROR_STATUS = 400


class Answer(NamedTuple):
    """What came back: the status, the headers as they were sent, and the whole body, decoded."""

    status_code: int
    headers: httpx.Headers
    content: bytes


class Upstream:
    """Sends a call once, to one of two configured origins, and reads its whole answer.

    It drives the transport itself, not through an httpx client: so there is no cookie jar, no environment, no
    redirect and no default header that could leak or repeat anything.
    Raises `ValueError` for a key that no header can carry.
    """

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        base_url: str,
        tasks_url: str,
        api_key: str,
        connect_timeout_s: float,
        pool_timeout_s: float,
        max_reply_bytes: int,
    ) -> None:
        if not (api_key.isascii() and api_key.isprintable()):
            raise ValueError("the Aihubmix key holds a line break or a character that is not ASCII")
        self._transport = transport
        self._origins = {"api": base_url.rstrip("/"), "tasks": tasks_url.rstrip("/")}
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # base64 hardly shrinks, and inflating it would hold the loop
            "Authorization": f"Bearer {api_key}",
            "User-Agent": f"aihubmix-image-gateway/{__version__}",
        }
        self._headers = httpx.Headers(headers)
        self._headers_with_body = httpx.Headers({**headers, "Content-Type": "application/json"})
        self._connect_timeout_s = connect_timeout_s
        self._pool_timeout_s = pool_timeout_s
        self._max_reply_bytes = max_reply_bytes

    async def request(
        self, method: str, origin: Origin, path: str, *, content: bytes | None, timeout_s: float
    ) -> Answer:
        """Make one call; `timeout_s` bounds all of it, in seconds of wall-clock time.

        Any status is an answer, with its body read and decoded; where the body of an error breaks off, it is
        empty: the status is the answer. Raises `CallFailed` where there is no usable answer. When `timeout_s`
        has run out, the call counts as unanswered, even if it was still connecting.
        """
        request = self._build(method, origin, path, content)
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._transport.handle_async_request(request)
                try:
                    return await self._read(response)
                finally:
                    await response.aclose()
        except CallFailed:
            raise
        except TimeoutError as exc:
            raise CallFailed(Verdict.UNANSWERED, "timeout") from exc
        except Exception as exc:
            raise CallFailed(*failures.of_exception(exc)) from exc

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

    def _build(self, method: str, origin: Origin, path: str, content: bytes | None) -> httpx.Request:
        if not path.startswith("/"):  # else it could extend the host's name, and the key would go there
            raise ValueError(f"an upstream path starts with a slash, unlike {path!r}")
        # Reading and writing are bounded by the call as a whole.
        timeouts = {"connect": self._connect_timeout_s, "pool": self._pool_timeout_s}
        return httpx.Request(
            method,
            _url(self._origins[origin] + path),
            headers=self._headers if content is None else self._headers_with_body,
            stream=httpx.ByteStream(content or b""),  # as `content`, httpx would work out headers for it
            extensions={"timeout": timeouts},
        )

    async def _read(self, response: httpx.Response) -> Answer:
        try:
            body = await read_capped(response, self._max_reply_bytes)
        except (TooLarge, httpx.HTTPError) as exc:
            if response.status_code < _ERROR_STATUS:
                raise CallFailed(Verdict.UNANSWERED, _body_reason(exc)) from exc
            body = b""
        return Answer(response.status_code, response.headers, body)


@functools.lru_cache(maxsize=256)
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)  # parsing one costs as much as sending it


def _body_reason(exc: Exception) -> Reason:
    if isinstance(exc, TooLarge):
        return "too_large"
    return "timeout" if isinstance(exc, httpx.TimeoutException) else "half_body"

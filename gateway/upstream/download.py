"""Fetching result images from wherever upstream says they lie, but never from the private network."""

import asyncio
from collections.abc import Iterable
from typing import Literal

import httpx

from gateway import __version__
from gateway.upstream import failures
from gateway.upstream.body import TooLarge, read_capped

DownloadReason = (
    failures.Reason
    | Literal["bad_url", "userinfo", "not_https", "host_refused", "address_refused", "redirects", "status"]
)

_HEADERS = httpx.Headers(
    {
        "Accept": "*/*",  # anything narrower invites a CDN to convert the picture
        "Accept-Encoding": "identity",
        "User-Agent": f"aihubmix-image-gateway/{__version__}",
    }
)
_NO_BODY = httpx.ByteStream(b"")
_MAX_REDIRECTS = 5
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OK = 200
_SERVER_ERROR = 500
# 404: a CDN may know an image a moment after its URL was handed out.
_RETRYABLE = frozenset({404, 408, 425, 429})


class DownloadFailed(Exception):
    """An image that could not be fetched; `retryable` says whether a later try may fare better.

    `reason` is from a closed set and fit for a metric's label; `status` is set where the reason is "status".
    """

    def __init__(self, reason: DownloadReason, *, retryable: bool, status: int | None = None) -> None:
        super().__init__(f"download failed: {reason}" + (f" {status}" if status else ""))
        self.reason = reason
        self.retryable = retryable
        self.status = status


class Downloader:
    """Fetches images over https from public addresses, or as configured from `trusted_origins`.

    `trusted_origins` are like "http://10.0.0.5:8080". `trusted` serves those alone; `public` serves all else
    and must itself refuse private addresses (`addresses.refuse_private` as its guard). Where `public` goes
    through a proxy, which resolves names itself, `allowed_hosts` are the host names that it may fetch from,
    each with all of its subdomains. `max_bytes` and `timeout_s` (seconds, redirects included) bound each image.
    """

    def __init__(
        self,
        *,
        trusted_origins: Iterable[str],
        trusted: httpx.AsyncBaseTransport,
        public: httpx.AsyncBaseTransport,
        allowed_hosts: Iterable[str] | None,
        max_bytes: int,
        timeout_s: float,
    ) -> None:
        self._trusted_origins = frozenset(_origin(httpx.URL(origin)) for origin in trusted_origins)
        self._trusted = trusted
        self._public = public
        self._allowed_hosts = None if allowed_hosts is None else tuple(h.strip(".").lower() for h in allowed_hosts)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def fetch(self, url: str) -> bytes:
        """Fetch the image at `url`; raises `DownloadFailed`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(httpx.URL(url))
        except TimeoutError as exc:
            raise DownloadFailed("timeout", retryable=True) from exc
        except TooLarge as exc:
            raise DownloadFailed("too_large", retryable=False) from exc
        except (httpx.InvalidURL, httpx.LocalProtocolError) as exc:
            raise DownloadFailed("bad_url", retryable=False) from exc
        except httpx.HTTPError as exc:
            if failures.caused_by(exc, PermissionError):
                raise DownloadFailed("address_refused", retryable=False) from exc
            raise DownloadFailed(failures.of_exception(exc)[1], retryable=True) from exc

    async def aclose(self) -> None:
        """Close both transports."""
        await self._trusted.aclose()
        await self._public.aclose()

    async def _follow(self, url: httpx.URL) -> bytes:
        for _ in range(1 + _MAX_REDIRECTS):
            request = httpx.Request("GET", url, headers=_HEADERS, stream=_NO_BODY)
            response = await self._route(url).handle_async_request(request)
            try:
                if not response.has_redirect_location:
                    return await self._read(response)
                url = url.join(response.headers["location"])
            finally:
                await response.aclose()
        raise DownloadFailed("redirects", retryable=False)

    def _route(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        if not url.host:
            raise DownloadFailed("bad_url", retryable=False)
        if url.userinfo:
            raise DownloadFailed("userinfo", retryable=False)
        if _origin(url) in self._trusted_origins:
            return self._trusted
        if url.scheme != "https":
            raise DownloadFailed("not_https", retryable=False)
        if not self._allows(url.host):
            raise DownloadFailed("host_refused", retryable=False)
        return self._public

    def _allows(self, host: str) -> bool:
        allowed_hosts = self._allowed_hosts
        return allowed_hosts is None or any(host == h or host.endswith(f".{h}") for h in allowed_hosts if h)

    async def _read(self, response: httpx.Response) -> bytes:
        status = response.status_code
        if status != _OK:
            retryable = status >= _SERVER_ERROR or status in _RETRYABLE
            raise DownloadFailed("status", retryable=retryable, status=status)
        return await read_capped(response, self._max_bytes)


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.host}:{url.port or _DEFAULT_PORTS.get(url.scheme)}"

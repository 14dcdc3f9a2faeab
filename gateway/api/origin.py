"""Where the world reaches this gateway: the prefix of re-hosted URLs."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from litestar import Request


class PublicOrigin:
    """Knows the public origin: the configured one, else the one of the request.

    Forwarded headers count only from `trusted_proxies` (addresses or networks), since anyone can send them.
    """

    def __init__(self, configured: str, trusted_proxies: Iterable[str]) -> None:
        self._configured = configured.rstrip("/")
        self._trusted = [ipaddress.ip_network(proxy, strict=False) for proxy in trusted_proxies]

    def of(self, request: Request[Any, Any, Any]) -> str:
        """Tell scheme, host and port as the client sees them."""
        if self._configured:
            return self._configured
        scheme, host = request.scope["scheme"], request.headers.get("host", "")
        if self._trusted and self._is_trusted(request):
            scheme = _first(request.headers.get("x-forwarded-proto")) or scheme
            host = _first(request.headers.get("x-forwarded-host")) or host
        if scheme not in {"http", "https"} or not _is_host(host):
            server = request.scope["server"] or ("localhost", None)
            host = f"{server[0]}:{server[1]}" if server[1] else server[0]
            scheme = request.scope["scheme"]
        return f"{scheme}://{host}"

    def _is_trusted(self, request: Request[Any, Any, Any]) -> bool:
        client = request.scope["client"]
        try:
            address = ipaddress.ip_address(client[0] if client else "")
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _first(value: str | None) -> str:
    return (value or "").partition(",")[0].strip()


def _is_host(host: str) -> bool:
    return bool(host) and host.isascii() and all(char.isalnum() or char in "-._:[]" for char in host)

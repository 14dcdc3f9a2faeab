"""Where the world reaches this gateway: the prefix of re-hosted URLs."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from litestar import Request

_HOST = re.compile(r"(?:[\w.-]+|\[(?P<ipv6>[\da-f:.]+)\])(?::(?P<port>\d{1,5}))?", re.ASCII | re.IGNORECASE)


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
            scheme, host = request.scope["scheme"], _address(request.scope["server"] or ("localhost", None))
        return f"{scheme}://{host}"

    def is_https(self, request: Request[Any, Any, Any]) -> bool:
        """Tell whether the client came by https, as far as can be known."""
        forwarded = self._trusted and self._is_trusted(request) and _first(request.headers.get("x-forwarded-proto"))
        scheme, _, host = self._configured.partition("://")
        at_configured = scheme == "https" and host.partition("/")[0] == request.headers.get("host")
        return (forwarded or request.scope["scheme"]) == "https" or at_configured

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
    """Tell whether this is a host, with its port or without, that a URL can hold."""
    match = _HOST.fullmatch(host)
    if match is None or int(match["port"] or 0) > 65535:
        return False
    try:
        ipaddress.IPv6Address(match["ipv6"] or "::")
    except ValueError:
        return False
    return True


def _address(server: tuple[str, int | None]) -> str:
    host = f"[{server[0]}]" if ":" in server[0] else server[0]
    return f"{host}:{server[1]}" if server[1] else host

"""The listening socket, which the launcher opens and every worker inherits."""

import os
import socket
from ipaddress import ip_address

from gateway.processes import StartFailed

_BACKLOG = 2048


def listen(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """Listen on `host` and `port` (0: any free one); raises StartFailed, which names the `option` to change."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise StartFailed(f"cannot listen on {host}: {error.strerror}") from error
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise StartFailed(f"cannot listen on {host} port {port}: {why}; choose another with {option}") from error


def url_of(listener: socket.socket) -> str:
    """Tell the URL by which this machine itself reaches the listener."""
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if address.version == 6 else f"http://{host}:{port}"

"""The listening socket: any free port, both families, and plain words when it cannot be had."""

import socket

import pytest

from gateway.launcher.listener import listen, url_of
from gateway.processes import StartFailed


def test_port_zero_finds_a_free_port():
    """The URL tells which one it was."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        assert url_of(listener) == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_address_is_reached_by_loopback(host):
    """The URL to paste works on this machine, by IPv4 even where IPv6 was asked for."""
    with listen(host, 0) as listener:
        port = listener.getsockname()[1]

        assert url_of(listener) == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port)).close()


def test_an_ipv6_address_is_bracketed():
    """As a URL wants it."""
    with listen("::1", 0) as listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_a_host_that_is_not_ours_is_one_line():
    """The line names the address."""
    with pytest.raises(StartFailed, match=r"^cannot listen on 192\.0\.2\.1 port 0: cannot assign requested address"):
        listen("192.0.2.1", 0)


def test_a_name_that_does_not_resolve_is_one_line():
    """The line names the host."""
    with pytest.raises(StartFailed, match=r"^cannot listen on nowhere\.invalid: "):
        listen("nowhere.invalid", 0)

"""At the socket: a reset is a reset, half is half, silence is silence."""

import json
import socket

import pytest

HEAD = "POST /v1/models/ideogram/V3/predictions HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer sk-1\r\n"


@pytest.fixture
def send(sandbox):
    """Send one call with a drill over a bare socket; returns the socket."""
    opened = []

    def _send(drill):
        host, port = sandbox.base_url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), timeout=10)
        opened.append(connection)
        body = json.dumps({"input": {"prompt": f"[[sandbox:{drill}]]"}})
        head = f"{HEAD}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())
        return connection

    yield _send
    for connection in opened:
        connection.close()


def _everything(connection):
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


@pytest.mark.parametrize("drill", ["reset", "processed-then-reset"])
def test_a_reset_is_a_tcp_reset(send, drill):
    """RST, not FIN, and not one byte before it."""
    with pytest.raises(ConnectionResetError):
        send(drill).recv(1)


def test_half_a_body_ends_in_an_orderly_close(send):
    """All headers, half of the announced bytes, FIN."""
    head, _, body = _everything(send("half-body")).partition(b"\r\n\r\n")
    announced = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    assert head.startswith(b"HTTP/1.1 200")
    assert len(body) == announced // 2


def test_silence_keeps_the_connection_open(sandbox, send):
    """Billed, and neither a byte nor an end."""
    connection = send("silence")
    sandbox.wait_for(lambda: sandbox.stats().images == 1)
    connection.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    assert sandbox.calls[0].status is None


def test_a_whole_answer_keeps_the_connection_alive(send):
    """Two calls on one connection."""
    connection = send("url-life=9")
    assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    connection.sendall(b"GET /_sandbox/stats HTTP/1.1\r\nhost: sandbox\r\n\r\n")
    assert connection.recv(65536).startswith(b"HTTP/1.1 200")

"""How much memory results cost that are all held at the same time."""

import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import msgspec

from tests.bench import proc
from tests.bench.load import LARGE, ask
from tests.bench.subjects import Subject

CLIENTS = 64
_WINDOW_BYTES = 4096
_TIMEOUT_S = 60
_PATIENCE_S = 10.0
_POLL_S = 0.05


class Memory(msgspec.Struct, frozen=True):
    """Resident memory of the worker in bytes: before, at the most, and the least in the ten seconds after.

    `results` is the size of all the pictures together, as PNG.
    """

    results: int
    before: int
    peak: int
    after: int


def hold_results(subject: Subject, picture_bytes: int) -> Memory:
    """Let clients that do not read ask for large results at once; when all are on their way, let them read."""
    ask(subject, LARGE, "warm-up", CLIENTS // 2)  # enough to fill what the worker keeps of pictures for hits
    proc.cpu_s_at_rest(subject.pid)
    before = proc.rss(subject.pid)
    proc.forget_peak(subject.pid)
    with ExitStack() as stack:
        clients = [stack.enter_context(_client(subject, number)) for number in range(CLIENTS)]
        for client in clients:
            client.recv(1, socket.MSG_PEEK)
        for client in clients:
            _read(client, picture_bytes)
    return Memory(picture_bytes * CLIENTS, before, proc.peak_rss(subject.pid), _least_after(subject.pid, before))


def _client(subject: Subject, number: int) -> socket.socket:
    split = urlsplit(subject.url)
    before, after = LARGE.body()
    body = f"{before}held {number}{after}"
    client = socket.socket()
    client.settimeout(_TIMEOUT_S)
    # With the kernel's own window the results would lie in its buffers, not in the process.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW_BYTES)
    client.connect((split.hostname, split.port))
    head = (
        f"POST {split.path} HTTP/1.1\r\nhost: {split.netloc}\r\nauthorization: Bearer {subject.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    client.sendall((head + body).encode())
    return client


def _read(client: socket.socket, picture_bytes: int) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    size, start = 0, b""
    while chunk := client.recv(1 << 18):
        start = start or chunk
        size += len(chunk)
    if b" 200 " not in start[:16] or size < picture_bytes * 4 // 3:
        raise SystemExit(f"A held result came back wrong, {size} bytes long: {start[:300]!r}")


def _least_after(pid: int, before: int) -> int:
    give_up = time.monotonic() + _PATIENCE_S
    least = proc.rss(pid)
    while least > before and time.monotonic() < give_up:
        time.sleep(_POLL_S)
        least = min(least, proc.rss(pid))
    return least

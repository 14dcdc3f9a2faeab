"""Many slow tasks at once: how much memory they take, how often each is polled, and how soon its answer is there.

The fake tasks endpoint and the clients live in one event loop, in this process.
"""

import asyncio
import random
import socket
import time
from pathlib import Path
from statistics import mean
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from gateway.settings import shipped
from tests.bench import proc, subjects, upstream
from tests.bench.subjects import Subject

TASKS = 2000
TASK_S = 10.0
_SPREAD_S = 2.0  # tasks that all took the same time would tell how it falls between two polls, and no more
_RAMP_S = 7.0
_TIMEOUT_S = 90.0
_PAUSE_S = 1.0
_MODEL = "flux-kontext-pro"
_LIMITS = {"GATEWAY_LIMITS_MAX_IN_FLIGHT": TASKS, "GATEWAY_LIMITS_MAX_WAITING": TASKS + 1}


class Tasks(msgspec.Struct, frozen=True):
    """What so many tasks at once took: bytes of the worker, polls of each, seconds from "ready" to the answer.

    `together` is how many were under way at the same time, `task_s` how long one took upstream, `cpu_s` what all took of
    the worker's CPU time, `refused` how many requests the gateway had no room for at first.
    """

    together: int
    before: int
    peak: int
    polls: float
    most_polls: int
    task_s: float
    lag_s: float
    most_lag_s: float
    cpu_s: float
    refused: int


def hold_tasks(home: Path) -> Tasks:
    """Let a gateway of its own wait for all tasks at once; raises SystemExit when a request fails."""
    with socket.create_server(("127.0.0.1", 0), backlog=TASKS) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        limits = {name: str(value) for name, value in _LIMITS.items()}
        with subjects.gateway(home, url, limits | {"GATEWAY_MODELS": str(_catalogue(home))}) as gateway:
            return uvloop.run(_run(gateway, listener))


def _catalogue(home: Path) -> Path:
    """Copy the catalogue without what it allows of one model at a time."""
    path = home.with_suffix(".toml")
    lines = shipped("models.toml").read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("max_in_flight")))
    return path


async def _run(gateway: Subject, listener: socket.socket) -> Tasks:
    fake = _Upstream(b"http://127.0.0.1:%d" % listener.getsockname()[1])
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(fake), sock=listener)
    proc.cpu_s_at_rest(gateway.pid)
    before, spent = proc.rss(gateway.pid), proc.cpu_s(gateway.pid)
    proc.forget_peak(gateway.pid)
    refusals: list[bytes] = []
    async with asyncio.timeout(_TIMEOUT_S):
        answered = await asyncio.gather(*(_ask(gateway, number, refusals) for number in range(TASKS)))
    server.close()
    lags = [at - fake.ready_at[number] for number, at in enumerate(answered)]
    return Tasks(
        together=_most_together(fake),
        before=before,
        peak=proc.peak_rss(gateway.pid),
        polls=mean(fake.polls),
        most_polls=max(fake.polls),
        task_s=mean(fake.takes_s),
        lag_s=mean(lags),
        most_lag_s=max(lags),
        cpu_s=proc.cpu_s(gateway.pid) - spent,
        refused=len(refusals),
    )


def _most_together(fake: "_Upstream") -> int:
    """Count the tasks under way when the first was ready."""
    first = min(fake.ready_at)
    return sum(ready - takes <= first for ready, takes in zip(fake.ready_at, fake.takes_s, strict=True))


async def _ask(gateway: Subject, number: int, refusals: list[bytes]) -> float:
    """Make one request, as an SDK does again where nothing was bought, and return when its answer was there."""
    await asyncio.sleep(_RAMP_S * number / TASKS)
    while True:
        said = await _post(gateway, number)
        at = time.monotonic()
        if b" 200 " in said[:16]:
            return at
        if b"x-should-retry: true" not in said:
            raise SystemExit(f"A task's request failed: {said[:500]!r}")
        refusals.append(said)
        await asyncio.sleep(_PAUSE_S)


async def _post(gateway: Subject, number: int) -> bytes:
    split = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(split.hostname, split.port)
    body = f'{{"model":"{_MODEL}","prompt":"{number}"}}'
    writer.write(
        f"POST {split.path} HTTP/1.1\r\nhost: {split.netloc}\r\nauthorization: Bearer {gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()
    )
    said = await reader.read()
    writer.close()
    return said


class _Upstream:
    """Knows each task by the number that is its prompt; no two of its pictures have the same bytes."""

    def __init__(self, origin: bytes) -> None:
        self._origin = origin
        dice = random.Random(0)
        self.takes_s = [TASK_S + dice.uniform(-_SPREAD_S, _SPREAD_S) for _ in range(TASKS)]
        self.ready_at = [0.0] * TASKS
        self.polls = [0] * TASKS
        self._picture = upstream.png(4)

    def answer(self, method: bytes, path: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Give the media type and the body."""
        if method == b"POST":
            number = int(msgspec.json.decode(body)["input"]["prompt"])
            self.ready_at[number] = time.monotonic() + self.takes_s[number]
            return b"application/json", b'{"output":[{"taskId":"%d"}]}' % number
        what, number = path.split(b"/")[-2:]
        if what == b"pictures":
            return b"image/png", self._picture + number
        return b"application/json", self._poll(int(number))

    def _poll(self, number: int) -> bytes:
        self.polls[number] += 1
        if time.monotonic() < self.ready_at[number]:
            return b'{"status":"Pending"}'
        return b'{"status":"Ready","result":{"sample":"%s/pictures/%d"}}' % (self._origin, number)


class _Connection(asyncio.Protocol):
    """As much of HTTP/1.1 as the gateway's client needs."""

    def __init__(self, fake: _Upstream) -> None:
        self._fake = fake
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        kind, body = self._fake.answer(self._parser.get_method(), self._path, self._body)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (kind, len(body), body)
        )

"""Load on one subject: closed-loop connections by wrk, or one request after the other."""

import http.client
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tests.bench.subjects import Subject

_SCRIPT = Path(__file__).with_name("post.lua")
_TIMEOUT_S = 30


@dataclass(frozen=True)
class Result:
    """A kind of result, by the model that delivers it and the form in which the client wants it."""

    name: str
    model: str
    path: str
    response_format: str | None = None

    def body(self) -> tuple[str, str]:
        """Give a request's JSON up to where its prompt ends and from there on."""
        form = f'"response_format":"{self.response_format}",' if self.response_format else ""
        return f'{{"model":"{self.model}",{form}"prompt":"A lighthouse at dusk, number ', '"}'


URL = Result("small url", "dall-e-3", "opanai/dall-e-3", "url")
SMALL = Result("small b64", "imagen-4.0-generate-001", "google/imagen-4.0-generate-001", "b64_json")
LARGE = Result("2.8 MB b64", "gpt-image-1", "opanai/gpt-image-1")


class Load(msgspec.Struct, frozen=True):
    """What wrk saw. Its percentiles are corrected for coordinated omission."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int


def drive(subject: Subject, result: Result, connections: int, seconds: int) -> Load:
    """Keep so many connections busy for so long; raises SystemExit when a request fails, or without wrk."""
    binary = shutil.which("wrk")
    if binary is None:
        raise SystemExit("The bench needs wrk to make load: apt-get install wrk")
    url = subject.url if subject.pid else f"{subject.url}/v1/models/{result.path}/predictions"
    options = ["-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", f"{_TIMEOUT_S}s"]
    argv = [binary, *options, "-s", str(_SCRIPT), url, "--", *result.body(), subject.key]
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    load = msgspec.json.decode(out.strip().splitlines()[-1], type=Load)
    if load.failed or not load.requests:
        raise SystemExit(f"{load.failed} requests failed ({subject.name}, {result.name}, {connections}):\n{out}")
    return load


def ask(subject: Subject, result: Result, label: str, times: int) -> None:
    """Make so many requests, one after the other, on one connection; raises SystemExit when one fails."""
    split = urlsplit(subject.url)
    connection = http.client.HTTPConnection(split.hostname, split.port, timeout=_TIMEOUT_S)
    headers = {"content-type": "application/json", "authorization": f"Bearer {subject.key}"}
    before, after = result.body()
    for number in range(times):
        connection.request("POST", split.path, f"{before}{label} {number}{after}", headers)
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise SystemExit(f"{result.name}: {reply.status} {body[:500]!r}")
    connection.close()

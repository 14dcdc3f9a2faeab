"""Load on one subject: closed-loop connections by wrk, or one request after the other."""

import http.client
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tests.bench.subjects import Subject

_SCRIPT = Path(__file__).with_name("post.lua")
_TIMEOUT_S = 30


@dataclass(frozen=True)
class Result:
    """A kind of result, by the model that delivers it and the form in which the client wants it.

    With `repeats` all requests are the same one, so that all but the first are answered from the cache.
    """

    name: str
    model: str
    path: str
    response_format: str | None = None
    repeats: bool = False
    cache_control: str = ""

    def body(self) -> tuple[str, str]:
        """Give a request's JSON up to where its prompt ends and from there on."""
        form = f'"response_format":"{self.response_format}",' if self.response_format else ""
        return f'{{"model":"{self.model}",{form}"prompt":"A lighthouse at dusk, number ', '"}'


URL = Result("small url", "dall-e-3", "opanai/dall-e-3", "url")
SMALL = Result("small b64", "imagen-4.0-generate-001", "google/imagen-4.0-generate-001", "b64_json")
LARGE = Result("2.8 MB b64", "gpt-image-1", "opanai/gpt-image-1")
UNCACHED = replace(LARGE, name="2.8 MB, off", cache_control="no-store")
HIT = replace(SMALL, name="small hit", repeats=True)
LARGE_HIT = replace(LARGE, name="2.8 MB hit", repeats=True)


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
    if result.repeats:
        ask(subject, result, "000000000", 2)
    how = ["same" if result.repeats else "new", result.cache_control]
    argv = [binary, *options, "-s", str(_SCRIPT), url, "--", *result.body(), subject.key, *how]
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    load = msgspec.json.decode(out.strip().splitlines()[-1], type=Load)
    if load.failed or not load.requests:
        raise SystemExit(f"{load.failed} requests failed ({subject.name}, {result.name}, {connections}):\n{out}")
    return load


def ask(subject: Subject, result: Result, label: str, times: int) -> None:
    """Make so many requests, one after the other, on one connection.

    Raises SystemExit when one fails, or the last comes from the cache although it should not, or the other way round.
    """
    split = urlsplit(subject.url)
    connection = http.client.HTTPConnection(split.hostname, split.port, timeout=_TIMEOUT_S)
    headers = {"content-type": "application/json", "authorization": f"Bearer {subject.key}"}
    if result.cache_control:
        headers["cache-control"] = result.cache_control
    before, after = result.body()
    cache = None
    for number in range(times):
        body = f"{before}{label if result.repeats else f'{label} {number}'}{after}"
        connection.request("POST", split.path, body, headers)
        reply = connection.getresponse()
        said = reply.read()
        cache = reply.headers["x-gateway-cache"]
        if reply.status != 200:
            raise SystemExit(f"{result.name}: {reply.status} {said[:500]!r}")
    connection.close()
    if (cache == "hit") != result.repeats:
        raise SystemExit(f"{result.name}: the gateway calls it a {cache}")

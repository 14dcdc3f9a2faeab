"""A worker on its own: what it says, what it serves, and that it does not outlive its launcher."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.settings import load_settings

STANDIN = Path(__file__).parent / "support" / "standin_worker.py"


class Started:
    """A worker whose launcher is the test."""

    def __init__(self, argv, settings, **environ):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ready, theirs = os.pipe()
        fds = (self._listener.fileno(), theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-P", *argv, *map(str, fds)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=fds,
            env=os.environ | environ,
        )
        os.close(theirs)
        self.process.stdin.write(msgspec.json.encode(settings) + b"\n")
        self.process.stdin.flush()

    def word(self):
        """Hear its word: `ready`, an error, or nothing at its end."""
        return os.read(self._ready, 65536).decode()

    def launcher_dies(self):
        """Close what only a living launcher holds open; returns how the worker ended, and its log."""
        self.process.stdin.close()
        log = self.process.stderr.read().decode()
        return self.process.wait(20), log

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stderr.close()
        self._listener.close()
        os.close(self._ready)


@pytest.fixture
def worker():
    started = []

    def start(*argv, settings=None, **environ):
        started.append(Started(argv or (str(STANDIN),), settings or load_settings({}), **environ))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_it_says_when_it_is_ready_and_serves(worker):
    """After that word a request is answered, without a server header."""
    standin = worker()
    assert standin.word() == "ready"

    answer = httpx.get(standin.url)

    assert answer.status_code == 200
    assert "date" in answer.headers
    assert "server" not in answer.headers


def test_it_ends_when_its_launcher_is_gone(worker):
    """Even where the system does not tell children of their parent's death."""
    standin = worker()
    assert standin.word() == "ready"

    status, log = standin.launcher_dies()

    assert status == -15
    assert "Traceback" not in log


def test_an_error_that_an_operator_can_mend_is_told_without_a_traceback(worker):
    """The launcher shows it; a traceback would only bury it."""
    standin = worker(BROKEN="1")

    assert standin.word() == "no gpt-image-1 today"
    status, log = standin.launcher_dies()
    assert (status, log) == (1, "")


def test_the_gateway_itself_starts_and_tells_a_broken_catalogue(worker, tmp_path):
    """`python -m gateway.worker` is the real app; its catalogue's error is the word."""
    (tmp_path / "models.toml").write_text("[[models]]\n")
    settings = load_settings({"GATEWAY_MODELS": str(tmp_path / "models.toml"), "REDIS_URL": "unix:///nowhere"})

    broken = worker("-m", "gateway.worker", settings=settings)

    assert str(tmp_path / "models.toml") in broken.word()
    assert broken.launcher_dies() == (1, "")


def test_the_gateway_starts_while_redis_is_away(worker):
    """It is alive at once, and says that it is not ready."""
    real = worker("-m", "gateway.worker", settings=load_settings({"REDIS_URL": "unix:///nowhere"}))
    assert real.word() == "ready"

    assert httpx.get(f"{real.url}/healthz").status_code == 200
    assert httpx.get(f"{real.url}/readyz").status_code == 503


def test_all_that_the_gateway_logs_is_json(worker):
    """Libraries' own records too: one form, and none of the URLs that they would write at level info."""
    settings = load_settings({"REDIS_URL": "unix:///nowhere", "GATEWAY_LOG_FORMAT": "json"})
    real = worker("-m", "gateway.worker", settings=settings)
    assert real.word() == "ready"
    httpx.get(f"{real.url}/nowhere")

    _, log = real.launcher_dies()

    assert (
        {"request.finished"}
        <= {json.loads(line)["event"] for line in log.splitlines()}
        <= {
            "request.finished",
            "store.failed",
        }
    )


def test_a_request_that_is_none_is_refused_and_logged(worker):
    """The worker's server has our manners: an envelope, under the id that the log tells."""
    settings = load_settings({"REDIS_URL": "unix:///nowhere", "GATEWAY_LOG_FORMAT": "json"})
    real = worker("-m", "gateway.worker", settings=settings)
    assert real.word() == "ready"
    with socket.create_connection(("127.0.0.1", int(real.url.rpartition(":")[2]))) as raw:
        raw.sendall(b"\x00\r\n\r\n")
        answer = raw.makefile("rb").read().decode()

    _, log = real.launcher_dies()

    (line,) = [line for line in map(json.loads, log.splitlines()) if line["event"] != "store.failed"]
    assert (line["event"], line["status"]) == ("request.finished", 400)
    assert answer.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert f"\r\nx-request-id: {line['request_id']}\r\n" in answer
    assert '"code":"invalid_request"' in answer

"""The sandbox as a process and as a thread."""

import json
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from gateway.sandbox.server import RunningSandbox
from tests.support.sandbox_calls import buy


@pytest.fixture
def spawn():
    """Start `python -m gateway.sandbox`; returns the process and its first line."""
    started = []

    def _spawn(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.sandbox", *arguments], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, json.loads(process.stdout.readline())

    yield _spawn
    for process in started:
        process.kill()
        process.communicate()


def test_the_process_tells_its_addresses_and_dies_on_sigterm(spawn):
    """One JSON line when it answers; SIGTERM ends it even with a call in flight."""
    process, addresses = spawn("--api-key", "sk-sandbox-0000", "--task-delay", "0")
    assert set(addresses) == {"base_url", "tasks_url"}
    assert httpx.get(addresses["base_url"] + "/_sandbox/stats").json()["images"] == 0
    with socket.create_connection(addresses["base_url"].removeprefix("http://").split(":")) as silent:
        body = '{"input":{"prompt":"[[sandbox:silence]]"}}'
        silent.sendall(
            b"POST /v1/models/ideogram/V3/predictions HTTP/1.1\r\nhost: s\r\nauthorization: Bearer sk-sandbox-0000\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body.encode())
        )
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == -signal.SIGTERM


def test_the_process_listens_where_it_is_told(spawn):
    """The asked-for port for the API, a free one for the tasks."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    _, addresses = spawn("--port", str(port))
    assert addresses["base_url"] == f"http://127.0.0.1:{port}"
    assert addresses["tasks_url"] != addresses["base_url"]


def test_a_taken_port_is_an_error():
    """OSError at once, and no socket stays open."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        RunningSandbox(tasks_port=taken.getsockname()[1])


def test_a_thread_ends_with_its_block():
    """After the block nobody listens, although a client kept its connection."""
    with RunningSandbox() as sandbox, httpx.Client() as client:
        assert client.get(sandbox.base_url + "/_sandbox/stats").status_code == 200
        base_url = sandbox.base_url
    with pytest.raises(httpx.ConnectError):
        httpx.get(base_url)


def test_two_run_beside_each_other():
    """Each has its own record."""
    with RunningSandbox() as one, RunningSandbox() as other:
        buy(one, "V3")
        assert (one.stats().images, other.stats().images) == (1, 0)


async def test_it_serves_async_tests(sandbox):
    """Its own loop runs beside the test's."""
    assert buy(sandbox, "V3").status_code == 200
    assert sandbox.calls[0].model == "V3"


def test_what_it_returns_is_a_copy(sandbox):
    """The sandbox goes on writing, the answer does not change."""
    before = sandbox.stats()
    buy(sandbox, "V3")
    assert before.images == 0


def test_waiting_for_what_never_comes_fails(sandbox):
    """A bounded wait raises TimeoutError."""
    with pytest.raises(TimeoutError):
        sandbox.wait_for(lambda: False, timeout=0.05)


def test_the_clock_is_the_callers():
    """Times on record are the given clock's."""
    with RunningSandbox(clock=lambda: 42.0) as sandbox:
        buy(sandbox, "V3")
        assert sandbox.calls[0].time == 42.0

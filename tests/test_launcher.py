"""The launcher as a real process, with real workers, servers and sandbox, which really get killed."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import httpx
import pytest

from gateway.store.embedded import read_run
from tests.support.processes import alive, descendants, kill, until

STANDIN = Path(__file__).parent / "support" / "standin_worker.py"
LAUNCH = f"""
import os, sys
from gateway.launcher import Launcher
from gateway.settings import load_settings
settings = load_settings(os.environ, {{"server.port": int(os.environ.pop("PORT", "0"))}})
Launcher(settings, with_key="WITH_KEY" in os.environ, worker=(sys.executable, "-P", {str(STANDIN)!r})).run()
"""


class Launched:
    """A launcher in a process of its own; its output is in `out` and `err` once it has ended."""

    def __init__(self, directory, environ, stderr=None):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self._err = (directory / "err").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH],
            stdout=subprocess.PIPE,
            stderr=self._err if stderr is None else stderr,
            text=True,
            env=os.environ | {"HOLD_DIR": str(directory), "GATEWAY_STATE_DIR": str(directory / "s")} | environ,
        )
        self.banner = []
        self.url = ""

    def wait_ready(self):
        for line in self.process.stdout:
            self.banner.append(line.strip())
            if line.startswith(("Make a key", "export OPENAI_API_KEY")):
                break
        assert self.banner, self.err
        self.url = self.banner[1].split()[1].removesuffix("/v1")
        return self

    @property
    def err(self):
        return (self.directory / "err").read_text()

    @property
    def children(self):
        return descendants(self.process.pid)

    def workers(self):
        return [pid for pid, command in self.children.items() if "standin_worker" in command]

    def finish(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        self.process.stdout.close()
        self._err.close()
        return status


@pytest.fixture
def launch(tmp_path):
    launched = []

    def start(name="one", *, stderr=None, **environ):
        launched.append(Launched(tmp_path / name, {"AIHUBMIX_API_KEY": "sk-real"} | environ, stderr))
        return launched[-1]

    yield start
    for one in launched:
        one.finish(signal.SIGKILL)


def ask(url, path="/"):
    """Ask until there is an answer: a worker may just have died with our connection."""

    def answer():
        try:
            return httpx.get(url + path, timeout=20).text
        except httpx.TransportError:
            return None

    return until(answer, "an answer")


def test_it_serves_and_says_where(launch):
    """With port 0 the banner and run.json tell the port that was found."""
    gateway = launch().wait_ready()

    assert int(ask(gateway.url)) in gateway.workers()
    assert read_run(gateway.directory / "s").url == gateway.url
    assert gateway.banner[1:] == [
        f"serving   {gateway.url}/v1  (1 worker)",
        "upstream  https://aihubmix.com",
        f"state     {gateway.directory / 's'} (embedded)",
        "",
        "Make a key for it:  gateway keys create --team TEAM",
    ]
    assert gateway.finish() == 0


def test_without_an_upstream_key_it_starts_the_sandbox_loudly(launch):
    """Simulated pictures are never mistaken for real ones."""
    gateway = launch(AIHUBMIX_API_KEY="").wait_ready()

    assert "SANDBOX: AIHUBMIX_API_KEY is not set" in gateway.err
    assert gateway.banner[2].startswith("upstream  SANDBOX, simulated pictures (http://127.0.0.1:")
    assert any("gateway.sandbox" in command for command in gateway.children.values())


def test_it_prints_a_key_to_paste(launch):
    """With --with-key the two lines of an OpenAI client are ready to paste."""
    gateway = launch(WITH_KEY="1").wait_ready()

    assert gateway.banner[-2] == f"export OPENAI_BASE_URL={gateway.url}/v1"
    assert gateway.banner[-1].startswith("export OPENAI_API_KEY=sk-gw-")


def test_secrets_are_in_no_childs_arguments_or_environment(launch):
    """A child's command line and environment are readable by others; settings go through a pipe."""
    gateway = launch(AIHUBMIX_API_KEY="sk-very-secret").wait_ready()

    assert gateway.workers()
    for pid, command in gateway.children.items():
        assert "sk-very-secret" not in command
        assert b"sk-very-secret" not in Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_a_killed_launcher_leaves_nothing_behind(launch):
    """After kill -9 no worker, server or sandbox is left."""
    gateway = launch(AIHUBMIX_API_KEY="", GATEWAY_SERVER_WORKERS="2").wait_ready()
    children = gateway.children
    assert len(children) == 5, children

    kill(gateway.process.pid)

    until(lambda: not any(map(alive, children)), "the end of the children")


def test_a_killed_worker_is_replaced(launch):
    """The same address is served again by a new process."""
    gateway = launch().wait_ready()
    before = int(ask(gateway.url))

    kill(before)

    assert int(ask(gateway.url)) != before
    assert "worker was killed by SIGKILL; starting it again" in gateway.err


def test_a_killed_sandbox_comes_back_at_its_address(launch):
    """Workers know the sandbox by its address, so that must not change."""
    gateway = launch(AIHUBMIX_API_KEY="").wait_ready()
    address = gateway.banner[2].rpartition("(")[2].rstrip(")")

    kill(next(pid for pid, command in gateway.children.items() if "gateway.sandbox" in command))
    until(lambda: "sandbox was killed by SIGKILL" in gateway.err)

    assert '"calls"' in ask(address, "/_sandbox/calls") or ask(address, "/_sandbox/calls") == "[]"


def hold(gateway):
    """Have a request in flight; returns the thread and where its answer will be."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(httpx.get(gateway.url + "/hold", timeout=60).text))
    thread.start()
    until((gateway.directory / "held").exists, "the request's arrival")
    return thread, answers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_finished_before_it_stops(launch, number):
    """After the signal new connections are refused, and the old request gets its answer."""
    gateway = launch().wait_ready()
    [worker] = gateway.workers()
    thread, answers = hold(gateway)

    gateway.process.send_signal(number)
    until(lambda: refused(gateway.url), "the refusal of new connections")
    assert answers == []
    (gateway.directory / "release").touch()
    thread.join(20)

    assert answers == [str(worker)]
    assert gateway.process.wait(20) == 0


def test_the_second_ctrl_c_does_not_wait(launch):
    """Who presses Ctrl-C twice means it: the request in flight is cut."""
    gateway = launch().wait_ready()
    cut = []
    thread = threading.Thread(target=lambda: cut.append(outcome(gateway.url + "/hold")))
    thread.start()
    until((gateway.directory / "held").exists, "the request's arrival")

    gateway.process.send_signal(signal.SIGINT)
    until(lambda: "Ctrl-C stops at once" in gateway.err, "the first signal's effect")
    gateway.process.send_signal(signal.SIGINT)

    assert gateway.process.wait(20) == 0
    thread.join(20)
    assert cut == ["cut"]


def test_requests_longer_than_the_grace_are_cut(launch):
    """A drain has an end."""
    gateway = launch(GATEWAY_SERVER_SHUTDOWN_GRACE_S="0.1").wait_ready()
    cut = []
    thread = threading.Thread(target=lambda: cut.append(outcome(gateway.url + "/hold")))
    thread.start()
    until((gateway.directory / "held").exists, "the request's arrival")

    assert gateway.finish() == 0

    thread.join(20)
    assert cut != ["200"]


def outcome(url):
    try:
        return str(httpx.get(url, timeout=60).status_code)
    except httpx.TransportError:
        return "cut"


def refused(url):
    try:
        with httpx.Client() as client:
            client.get(url, timeout=0.2)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False
    return False


def test_a_busy_port_is_one_line(launch):
    """The line names address and port and says what to do; nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = launch(PORT=str(port))
        status = gateway.finish(0)

    assert status == 1
    assert gateway.err.splitlines()[-1].endswith(
        f"cannot listen on 127.0.0.1 port {port}: address already in use; choose another with --port"
    )
    assert not (gateway.directory / "s").exists()


def test_a_worker_that_cannot_start_stops_the_start_with_its_error(launch):
    """After three tries the worker's own words are the launcher's."""
    gateway = launch(BROKEN="1")

    assert gateway.finish(0) == 1
    assert gateway.err.splitlines()[-1].endswith("a worker cannot start: no gpt-image-1 today")
    assert not gateway.children


def test_two_launchers_share_one_state_directory(launch):
    """The second serves from the first one's store, says so, and takes it over when the first is killed."""
    state = {"GATEWAY_STATE_DIR": tempfile.mkdtemp()}
    first = launch("first", **state).wait_ready()
    second = launch("second", **state).wait_ready()
    directory = Path(state["GATEWAY_STATE_DIR"])
    assert f"state     {directory} (embedded)" in first.banner
    shared = f"shared with the gateway of process {first.process.pid}: the same keys, cache and books"
    assert f"state     {directory} (embedded, {shared})" in second.banner
    assert not any("valkey-server" in command for command in second.children.values())

    kill(first.process.pid)

    until(lambda: read_run(directory).pid == second.process.pid, "the take-over")
    until(lambda: sum("valkey-server" in command for command in second.children.values()) == 2, "its servers")
    until(lambda: "took over the embedded servers" in second.err)
    assert read_run(directory).url == second.url


def test_what_nobody_hears_stops_nothing(launch):
    """With nobody left to read its errors, a worker is still replaced, and requests are finished on SIGTERM."""
    heard, said = os.pipe()
    os.close(heard)
    gateway = launch(stderr=said).wait_ready()
    os.close(said)
    [first] = gateway.workers()
    kill(first)
    until(lambda: ask(gateway.url) != str(first), "another worker")
    [second] = gateway.workers()
    thread, answers = hold(gateway)

    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: refused(gateway.url), "the refusal of new connections")
    (gateway.directory / "release").touch()
    thread.join(20)

    assert answers == [str(second)]
    assert gateway.process.wait(20) in {0, 120}  # which is some Pythons' word for what they could not write

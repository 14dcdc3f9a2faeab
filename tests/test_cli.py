"""The command line as a person uses it: in a process of its own."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

GATEWAY = (sys.executable, "-m", "gateway")


@pytest.fixture
def run(tmp_path):
    """Run `gateway ...` to its end, with a state directory of the test's own."""

    def run_gateway(*arguments, **environ):
        return subprocess.run(
            [*GATEWAY, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"GATEWAY_STATE_DIR": str(tmp_path / "s")} | environ,
            timeout=60,
        )

    return run_gateway


def test_help_lists_every_command(run):
    """And each of those has a help of its own."""
    text = run("--help").stdout
    commands = re.findall(r"^  (\w+)  ", text.partition("Commands:")[2], re.MULTILINE)

    expected = "serve keys teams apply usage generations cache brakes models check sandbox"
    assert commands == expected.split()
    for command in commands:
        assert run(command, "--help").stdout.startswith(f"Usage: gateway {command}")


def test_help_imports_nothing_heavy():
    """Else it would not be quick."""
    heavy = {"litestar", "redis", "uvicorn", "aiohttp", "httpx", "structlog", "PIL", "gateway.app"}
    program = (
        "import sys; from gateway.cli import gateway; gateway(['--help'], standalone_mode=False); print(*sys.modules)"
    )

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert "click" in loaded
    assert not heavy & set(loaded)


def test_version(run):
    assert re.fullmatch(r"gateway, version \d+\.\d+\.\d+\n", run("--version").stdout)


def test_a_bad_setting_is_one_line_and_status_2(run):
    """Not a traceback, and not a start with something else than was meant."""
    done = run("models", GATEWAY_SERVER_PROT="1")

    assert done.returncode == 2
    assert done.stderr == (
        "Error: GATEWAY_SERVER_PROT: unknown variable; the nearest known one is GATEWAY_SERVER_PORT\n"
    )


def test_an_unknown_command_is_status_2(run):
    assert run("severs").returncode == 2


def test_models_as_json_is_a_list_of_objects_with_id(run):
    """For programs; the ids are those of the catalogue."""
    models = json.loads(run("models", "--json").stdout)

    assert "gpt-image-1" in [model["id"] for model in models]


def test_models_as_text_begins_a_line_with_each_model(run):
    """For people; the other names are beneath."""
    lines = run("models").stdout.splitlines()

    assert "gpt-image-1" in [line.split()[0] for line in lines]


def test_a_catalogue_that_cannot_be_read_is_one_line(run):
    """The line names the file."""
    done = run("models", GATEWAY_MODELS="/nonexistent.toml")

    assert (done.returncode, done.stderr) == (2, "Error: /nonexistent.toml: No such file or directory\n")


def test_an_unreadable_redis_url_stops_the_start(run):
    """The line names the setting, and never repeats the URL's password."""
    done = run("serve", "--port", "0", REDIS_URL="redis://:hu/sh@h", AIHUBMIX_API_KEY="sk-1")

    assert done.returncode == 2
    assert done.stderr.startswith("Error: redis.url: ")
    assert done.stderr.count("\n") == 1
    assert "hu/sh" not in done.stderr


class Running:
    """A command that goes on until it is ended; `lines` is what it printed up to the awaited line."""

    def __init__(self, arguments, awaited, **environ):
        self.process = subprocess.Popen(
            [*GATEWAY, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | environ,
        )
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if line.startswith(awaited):
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.process.stdout.close()


def test_serve_draws_a_picture_with_the_two_lines_it_prints(tmp_path, run):
    """From nothing to a picture: no key, no Redis, no configuration; and other commands find it meanwhile."""
    state = {"GATEWAY_STATE_DIR": str(tmp_path / "s")}
    with Running(["serve", "--port", "0", "--with-key"], "export OPENAI_API_KEY", **state) as serving:
        url, key = (line.partition("=")[2] for line in serving.lines[-2:])
        answer = httpx.post(
            f"{url}/images/generations",
            json={"model": "gpt-image-1", "prompt": "a lighthouse", "quality": "low"},
            headers={"authorization": f"Bearer {key}"},
            timeout=60,
        )
        keys = run("keys", "list", "--json").stdout

    assert answer.status_code == 200, answer.text
    assert base64.b64decode(answer.json()["data"][0]["b64_json"]).startswith(b"\x89PNG")
    assert [found["name"] for found in json.loads(keys)] == ["make run"]
    assert json.loads((tmp_path / "s" / "run.json").read_text())["url"] is None


def test_serve_takes_no_package_from_where_it_is_started(tmp_path):
    """A folder that happens to be called gateway is not ours."""
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    gateway = Path(sys.executable).with_name("gateway")

    with subprocess.Popen(
        [gateway, "serve", "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as serving:
        said = serving.stdout.readline()
        serving.terminate()
        errors = serving.communicate(timeout=30)[1]

    assert said.startswith("Aihubmix image gateway"), errors


def test_the_sandbox_serves_on_its_own():
    """It prints where, as one line of JSON."""
    with Running(["sandbox", "--port", "0"], "{") as sandbox:
        where = json.loads(sandbox.lines[0])

        assert httpx.get(f"{where['base_url']}/_sandbox/stats").status_code == 200


def test_a_busy_sandbox_port_is_one_line(run):
    """The line says what to do."""
    with Running(["sandbox", "--port", "0"], "{") as sandbox:
        port = json.loads(sandbox.lines[0])["base_url"].rpartition(":")[2]
        done = run("sandbox", "--port", port)

    assert done.returncode == 1
    assert re.fullmatch(
        rf"Error: cannot listen on 127\.0\.0\.1 port {port}: .*choose another with --port\n", done.stderr
    )

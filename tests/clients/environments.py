"""Client programs of other makers, each in an environment of its own: made on demand, kept between runs."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import uv

from tests.support.trust import trusting_as_the_machine

_HERE = Path(__file__).parent
_HOMES = Path(sys.prefix) / "clients"
_OLDEST_NODE = 20


def python(name):
    """Give the interpreter of the environment that `requirements-<name>.txt` locks."""
    lock, home = _HERE / f"requirements-{name}.txt", _HOMES / name
    with _made_once(home, sys.version, lock.read_text()) as make:
        if make:
            _run(uv.find_uv_bin(), "venv", "--quiet", "--clear", "--python", sys.executable, str(home))
            _install(
                uv.find_uv_bin(),
                "pip",
                "install",
                "--system-certs",
                "--quiet",
                "--python",
                str(home),
                "--require-hashes",
                "-r",
                str(lock),
            )
    return str(home / "bin" / "python")


def node(recipe=_HERE / "node"):
    """Give the folder in which the packages that a recipe's `package-lock.json` locks are installed; skips without Node."""
    npm, version = shutil.which("npm"), _node_version()
    if npm is None or version is None or version < _OLDEST_NODE:
        pytest.skip(f"needs node {_OLDEST_NODE} or newer, and npm, on the PATH")
    home = _HOMES / recipe.name
    files = [recipe / name for name in ("package.json", "package-lock.json")]
    with _made_once(home, str(version), *(file.read_text() for file in files)) as make:
        if make:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            for file in files:
                shutil.copy(file, home)
            _install(npm, "ci", "--prefix", str(home), "--no-audit", "--no-fund", "--ignore-scripts")
    return home


def run_python(interpreter, program, job):
    """Run a program with a job (JSON) as its argument, and take the JSON that it prints."""
    return json.loads(_run(interpreter, str(program), json.dumps(job)))


def run_node(home, program, job):
    """Run a module with a job (JSON) as its argument, and take the JSON that it prints.

    The module comes from standard input: only so does node look for packages in its working directory.
    """
    command = ("node", "--input-type=module", "-", json.dumps(job))
    return json.loads(_run(*command, stdin=program.read_text(), cwd=home))


def _install(*command):
    """Fetch packages; where the registry cannot be reached the client's tests are skipped, but never in CI."""
    try:
        _run(*command, env=trusting_as_the_machine())
    except AssertionError as failure:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"cannot install this client: {str(failure)[-300:]}")


def _node_version():
    if shutil.which("node") is None:
        return None
    return int(_run("node", "--version").lstrip("v").partition(".")[0])


def _run(*command, stdin="", cwd=None, env=None):
    done = subprocess.run(
        command, input=stdin, cwd=cwd, env=env, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)[:300]} ended with {done.returncode}: {done.stderr[-3000:]}"
    return done.stdout


@contextmanager
def _made_once(home, *recipe):
    """Tell whether `home` is still to be made by this recipe, and keep all other processes out meanwhile."""
    home.parent.mkdir(exist_ok=True)
    stamp = home.with_suffix(".stamp")
    made_by = "\n".join(recipe)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make = not (stamp.exists() and stamp.read_text() == made_by)
        if make:
            stamp.unlink(missing_ok=True)
        yield make
        stamp.write_text(made_by)

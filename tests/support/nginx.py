"""A real nginx on loopback: one worker, one server block, everything it writes in a directory of the test's own."""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.processes import spawn, stop

PACKAGE = "nginx-light"
_PATIENCE_S = 10.0

_CONFIG = """\
{user}
daemon off;
worker_processes 1;
pid {home}/pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port};
{server}
  }}
}}
"""


def find() -> str | None:
    """Find the program; Debian keeps it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def serving(binary: str, home: Path, server: str) -> Iterator[str]:
    """Run nginx in `home`, which exists, with the directives of its one server block; yields its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # A worker that has given up root's rights could not read our directory.
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(_CONFIG.format(user=user, home=home, port=port, server=server))
    process = spawn([binary, "-e", str(home / "error.log"), "-p", str(home), "-c", str(home / "nginx.conf")])
    try:
        _await_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process, _PATIENCE_S)


def _await_port(port: int) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > give_up:
                raise SystemExit("nginx does not start; see what it said above") from None
            time.sleep(0.02)
        else:
            return


@pytest.fixture
def reverse_proxy(tmp_path):
    """Give what puts nginx before a URL, with more directives if need be, and yields the proxy's base URL.

    Without nginx the test is skipped; in CI, which installs it, that is a failure.
    """
    binary = find()
    if binary is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs nginx: apt-get install {PACKAGE}")

    @contextmanager
    def before(url, directives=""):
        with serving(binary, tmp_path, f"    location / {{ proxy_pass {url}; {directives} }}") as base:
            yield base

    return before

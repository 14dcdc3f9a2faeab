"""The fake upstream: nginx with one worker, which answers a prediction at once from a file or its configuration."""

import base64
import io
import os
import random
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from gateway.processes import spawn, stop

LARGE_SIDE = 968  # pixels; noise of this size is a PNG of 2.8 MB
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
  default_type application/json;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_max_body_size 1m;
  server {{
    listen 127.0.0.1:{port};
    root {home}/files;
    location ~ /dall-e-3/predictions$ {{ return 200 '{{"output":[{{"url":"http://127.0.0.1:{port}/small.png"}}]}}'; }}
    # nginx answers only a GET from a file: what it would refuse as a POST becomes one.
    location ~ /imagen-.*/predictions$ {{ error_page 405 =200 /small.json; return 405; }}
    location ~ /gpt-image-1/predictions$ {{ error_page 405 =200 /large.json; return 405; }}
    location = /small.png {{ default_type image/png; }}
  }}
}}
"""


def png(side: int) -> bytes:
    """Make a square PNG of incompressible noise, always the same; `side` is in pixels."""
    out = io.BytesIO()
    noise = random.Random(0).randbytes(side * side * 3)
    Image.frombytes("RGB", (side, side), noise).save(out, "PNG", compress_level=1)
    return out.getvalue()


@contextmanager
def fake_upstream(home: Path) -> Iterator[str]:
    """Run nginx in `home` and yield its base URL; raises SystemExit where there is no nginx."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        raise SystemExit("The bench needs nginx as its fake upstream: apt-get install nginx-light")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _write_files(home, port)
    argv = [binary, "-e", str(home / "error.log"), "-p", str(home), "-c", str(home / "nginx.conf")]
    process = spawn(argv)
    try:
        _await_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process, _PATIENCE_S)


def _write_files(home: Path, port: int) -> None:
    files = home / "files"
    files.mkdir(parents=True)
    small = png(4)
    (files / "small.png").write_bytes(small)
    for name, image in {"small": small, "large": png(LARGE_SIDE)}.items():
        text = base64.b64encode(image).decode()
        (files / f"{name}.json").write_text(f'{{"output":{{"b64_json":[{{"bytesBase64":"{text}"}}]}}}}')
    # A worker that has given up root's rights could not read our directory.
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(_CONFIG.format(user=user, home=home, port=port))


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

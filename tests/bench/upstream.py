"""The fake upstream: nginx with one worker, which answers a prediction at once from a file or its configuration."""

import base64
import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from tests.support import nginx

LARGE_SIDE = 968  # pixels; noise of this size is a PNG of 2.8 MB

_SERVER = """\
    root {files};
    default_type application/json;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    client_max_body_size 1m;
    location ~ /dall-e-3/predictions$ {{
      return 200 '{{"output":[{{"url":"http://127.0.0.1:$server_port/small.png"}}]}}';
    }}
    # nginx answers only a GET from a file: what it would refuse as a POST becomes one.
    location ~ /imagen-.*/predictions$ {{ error_page 405 =200 /small.json; return 405; }}
    location ~ /gpt-image-1/predictions$ {{ error_page 405 =200 /large.json; return 405; }}
    location = /small.png {{ default_type image/png; }}
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
    binary = nginx.find()
    if binary is None:
        raise SystemExit(f"The bench needs nginx as its fake upstream: apt-get install {nginx.PACKAGE}")
    files = home / "files"
    _write_files(files)
    with nginx.serving(binary, home, _SERVER.format(files=files)) as base:
        yield base


def _write_files(files: Path) -> None:
    files.mkdir(parents=True)
    small = png(4)
    (files / "small.png").write_bytes(small)
    for name, image in {"small": small, "large": png(LARGE_SIDE)}.items():
        text = base64.b64encode(image).decode()
        (files / f"{name}.json").write_text(f'{{"output":{{"b64_json":[{{"bytesBase64":"{text}"}}]}}}}')

"""The fake upstream: nginx with one worker, which answers a prediction at once from a file or its configuration.

No two pictures have the same bytes, as with a real one: else every picture but the first would be in the store already.
What differs are some bytes behind the picture's end, made of nginx's id of the request.
"""

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
    location ~ /imagen-.*/predictions$ {{
      return 200 '{{"output":{{"b64_json":[{{"bytesBase64":"{small}$request_id"}}]}}}}';
    }}
    # nginx answers only a GET from a file: what it would refuse as a POST becomes one.
    location ~ /gpt-image-1/predictions$ {{ error_page 405 =200 /large.json; return 405; }}
    location = /large.json {{ addition_types application/json; add_after_body /large-end; }}
    location = /large-end {{ return 200 '$request_id"}}]}}}}'; }}
    location = /small.png {{ default_type image/png; addition_types image/png; add_after_body /small-end; }}
    location = /small-end {{ return 200 '$request_id'; }}
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
    files.mkdir(parents=True)
    small, large = png(4), png(LARGE_SIDE)
    (files / "small.png").write_bytes(small)
    (files / "large.json").write_text(f'{{"output":{{"b64_json":[{{"bytesBase64":"{_open_end(large)}')
    with nginx.serving(binary, home, _SERVER.format(files=files, small=_open_end(small))) as base:
        yield base


def _open_end(picture: bytes) -> str:
    """Encode a picture so that 32 more characters of base64 may follow."""
    return base64.b64encode(picture + bytes(-len(picture) % 3)).decode()

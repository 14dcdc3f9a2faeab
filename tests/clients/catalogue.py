"""What the clients' tests ask of every model, and how they look at what came."""

import base64
import io
from urllib.parse import urlsplit

from PIL import Image

from gateway.catalog import load_catalog
from gateway.settings import shipped

MODELS = load_catalog(shipped("models.toml")).models


def extra(model):
    """Give the fields that a model cannot do without."""
    return {"image": _pixel()} if model.reference.use == "needs" else {}


def picture(data):
    """Decode a picture, bytes or base64, whole; returns its encoding and `WxH`."""
    content = base64.b64decode(data, validate=True) if isinstance(data, str) else data
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        return opened.format.lower(), f"{opened.width}x{opened.height}"


def fetched(gateway, url):
    """Download a re-hosted picture as a browser would: without a key."""
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" == gateway.url
    assert parts.path.endswith((".png", ".jpg", ".webp"))
    with gateway.http() as http:
        answer = http.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"image/{picture(answer.content)[0]}"
    return answer.content


def _pixel():
    out = io.BytesIO()
    Image.new("RGB", (256, 256), "navy").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()

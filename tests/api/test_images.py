"""The image endpoint, end to end: the official client, a real gateway, the strict sandbox."""

import base64
import io

import pytest
from PIL import Image

from gateway.catalog import load_catalog
from gateway.settings import shipped

MODELS = load_catalog(shipped("models.toml")).models


def pixel():
    out = io.BytesIO()
    Image.new("RGB", (256, 256), "navy").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def extra(model):
    return {"image": pixel()} if model.reference.use == "needs" else {}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
@pytest.mark.parametrize("n", [1, 3])
def test_every_model_draws(gateway, key, sandbox, model, n):
    """Each model gives the official client n different pictures, in either format, for as few paid calls as needed."""
    with gateway.openai(key) as client, gateway.http() as http:
        for form in ("b64_json", "url"):
            sandbox.reset()
            made = client.images.generate(
                model=model.id, prompt="a red fox", n=n, response_format=form, extra_body=extra(model)
            )
            images = [
                base64.b64decode(item.b64_json) if form == "b64_json" else http.get(item.url).content
                for item in made.data
            ]
            assert n == len(set(images))
            for data in images:
                with Image.open(io.BytesIO(data)) as opened:
                    opened.load()
                    assert made.size == "{}x{}".format(*opened.size)
            assert sandbox.stats().images == n
            assert sandbox.stats().paid_calls == -(-n // model.native_n)

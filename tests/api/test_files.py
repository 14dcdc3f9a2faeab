"""Re-hosted pictures."""

import io
import re
from urllib.parse import urlsplit

import pytest
from PIL import Image

from gateway.api.files import PREFIX
from tests.support.gateway import envelope

MEDIA = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


@pytest.fixture
def url(gateway, key):
    """Give the URL of a picture."""
    with gateway.openai(key) as client:
        return client.images.generate(model="dall-e-3", prompt="a fox").data[0].url


@pytest.mark.parametrize(
    ("model", "form"), [("V3", None), ("doubao-seedream-4-0-250828", None), ("gpt-image-1", "webp"), ("V3", "jpeg")]
)
def test_extension_and_type_tell_the_truth(gateway, key, model, form):
    """The path ends in the true extension and the reply has the true type; no key is needed to fetch it."""
    with gateway.openai(key) as client, gateway.http() as http:
        made = client.images.generate(
            model=model, prompt="a fox", response_format="url", **({"output_format": form} if form else {})
        )
        answer = http.get(made.data[0].url)

    extension = urlsplit(made.data[0].url).path.rpartition(".")[2]
    assert made.data[0].url.startswith(gateway.url + PREFIX)
    assert MEDIA[extension] == answer.headers["content-type"]
    with Image.open(io.BytesIO(answer.content)) as opened:
        assert made.output_format == opened.format.lower()


def test_a_tampered_url_is_not_found(gateway, url):
    """Another file, a later expiry or another signature is a 404 in the envelope."""
    with gateway.http() as http:
        assert 200 == http.get(url).status_code
        for tampered in (
            re.sub(r"expires=\d+", "expires=9999999999", url),
            url[:-3] + ("abc" if not url.endswith("abc") else "xyz"),
            url.replace(".png", ".jpg"),
            url.partition("?")[0],
            url.partition("&")[0],
            re.sub(r"expires=\d+", "expires=soon", url),
            re.sub(r"expires=\d+", "expires=%D9%A3", url),
            re.sub("[0-9a-f]{64}", "0" * 64, url),
        ):
            assert envelope(http.get(tampered))[0] == 404


def test_gone_bytes_are_not_found(gateway, url, valkey):
    """Where the bytes were evicted the URL leads nowhere, politely."""
    with valkey.client() as client:
        client.flushall()
    with gateway.http() as http:
        assert envelope(http.get(url))[0] == 404

"""The rules that no model's table shows."""

import base64

import pytest

from gateway.sandbox.rules import reference
from tests.support.sandbox_calls import PNG


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (PNG[:200], "does not decode to an image"),
        (base64.b64encode(bytes(10 * 1024 * 1024 + 1)).decode(), "at most 10 MB"),
        ("not base64!", "not valid base64"),
        (7, "must be a URL or an inline image"),
        ("ftp://example.com/a.png", "not valid base64"),
    ],
)
def test_a_reference_is_a_url_or_an_image(value, wrong):
    """Truncated, too large, undecodable, or no text at all."""
    assert wrong in reference()(value)


def test_a_good_reference_is_taken():
    """Inline base64 of a real image."""
    assert reference()(PNG) is None

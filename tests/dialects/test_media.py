"""Image bytes: told apart by their first bytes, decoded from forgiving base64."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import media
from tests.support.golden import MAGIC, image


@pytest.mark.parametrize("kind", MAGIC)
def test_every_kind_is_known(kind):
    """The first bytes tell the media type."""
    assert media.sniff(image(kind)) == f"image/{kind}"


@pytest.mark.parametrize("data", [b"", b"<svg", b"RIFF\x00\x00\x00\x00WAVE", b"{}", b"\x89PN"])
def test_no_image(data):
    """Anything else is none."""
    assert media.sniff(data) is None


@given(st.sampled_from(sorted(MAGIC)), st.binary(max_size=200))
def test_base64_in_any_dress(kind, more):
    """Lines, missing padding and the URL-safe alphabet do not lose a picture."""
    data = MAGIC[kind] + more
    plain = base64.b64encode(data).decode()
    dresses = [
        plain,
        plain.rstrip("="),
        base64.encodebytes(data).decode(),
        base64.urlsafe_b64encode(data).decode(),
        f" {plain}\r\n",
    ]

    assert [media.picture(dress) for dress in dresses] == [data] * len(dresses)


@given(st.text())
def test_any_other_text_is_no_picture(text):
    """Any text is an image or None; never an exception."""
    data = media.picture(text)
    assert data is None or media.sniff(data)

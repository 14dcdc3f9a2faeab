"""Image bytes as they travel in JSON: decoded from base64, and told apart by their first bytes, never by a label."""

import binascii

import pybase64

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"\x00\x00\x01\x00": "image/x-icon",
}
_URL_SAFE = str.maketrans("-_", "+/")


def sniff(data: bytes) -> str | None:
    """Tell an image's media type from its first bytes; None where it is no image we know."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for magic, media in _MAGIC.items():
        if data.startswith(magic):
            return media
    return None


def picture(text: str) -> bytes | None:
    """Decode the base64 of an image; None where it is no image.

    Lines, missing padding and the URL-safe alphabet are forgiven: upstream's pictures are paid for.
    """
    data = _decode(text)
    if data is None:
        plain = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
        data = _decode(plain + "=" * (-len(plain) % 4))
    return data if data is not None and sniff(data) else None


def _decode(text: str) -> bytes | None:
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None

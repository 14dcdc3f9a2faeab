"""Reference images: URLs are passed on untouched, inline ones are decoded, sniffed and re-spelled."""

import binascii
from typing import Any

import pybase64

from gateway.dialects import readers
from gateway.dialects.ask import Ask
from gateway.errors import InvalidRequest

MAX_URL_CHARS = 8_192

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"\x00\x00\x01\x00": "image/x-icon",
}


def sniff(data: bytes) -> str | None:
    """Tell an image's media type from its first bytes; None where it is no image we know."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media for magic, media in _MAGIC.items() if data.startswith(magic)), None)


def take(ask: Ask) -> list[str]:
    """Take the reference images, spelled as the model wants them.

    Read from `image` (ours) and from the model's own field, each a string or a list of strings.

    Raises:
        InvalidRequest: the model refuses, needs or cannot read them.

    """
    rule = ask.model.reference
    spelled = rule.field if rule.field and rule.field in ask else "image"
    given = ask.read(spelled, _strings) or []
    if rule.use == "refuses" and given:
        raise InvalidRequest(
            f"Invalid '{spelled}': the model '{ask.model.id}' takes no reference image. Leave it out.",
            code="invalid_value",
            param=spelled,
        )
    if rule.use == "needs" and not given:
        raise readers.missing(
            "image",
            f"The model '{ask.model.id}' edits an image: give a URL, a data URL or base64 (in an OpenAI SDK by "
            'extra_body={"image": ...}).',
        )
    if len(given) > rule.max:
        raise InvalidRequest(
            f"Invalid '{spelled}': the model '{ask.model.id}' takes at most {rule.max} "
            f"reference image{'s' if rule.max > 1 else ''}, but got {len(given)}.",
            code="array_above_max_length",
            param=spelled,
        )
    return [_respell(spelled, image, rule.inline) for image in given]


def _strings(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    for item in values:
        if not isinstance(item, str):
            raise readers.wrong_type(name, "a string or an array of strings", item)
    return [item for item in values if item]


def _respell(name: str, image: str, inline: str) -> str:
    if image.startswith(("http://", "https://")):
        if len(image) > MAX_URL_CHARS or not image.isascii() or not image.isprintable() or " " in image:
            raise _bad(name, f"the URL must be printable ASCII of at most {MAX_URL_CHARS} characters")
        return image
    head, comma, body = image.partition(",") if image.startswith("data:") else ("", "", image)
    if head and not (comma and head.endswith(";base64")):
        raise _bad(name, "a data URL must be of the form 'data:image/png;base64,...'")
    try:
        data = pybase64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise _bad(name, f"'{readers.show(image)}' is neither a URL (http, https, data) nor base64") from None
    media = sniff(data)
    if media is None:
        raise _bad(name, "the bytes are no image; PNG, JPEG, WEBP, GIF, BMP and ICO are known")
    return body if inline == "base64" else f"data:{media};base64,{body}"


def _bad(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{name}': {why}.", code="invalid_value", param=name)

"""Reference images: URLs are passed on untouched, inline ones are decoded, sniffed and re-spelled."""

import binascii
from typing import Any

import pybase64

from gateway.catalog import Reference
from gateway.dialects import media, readers
from gateway.dialects.ask import Ask
from gateway.errors import InvalidRequest

SPELLINGS = ("image", "input_image", "refer_image")
"""Ours and the families' own, each understood on every model."""
_UNWRAP = str.maketrans("", "", "\r\n")


def take(ask: Ask) -> list[str]:
    """Take the reference images, spelled as the model wants them.

    Read from the model's own field or else from any of `SPELLINGS`, each a string or a list of strings.

    Raises:
        InvalidRequest: the model refuses, needs or cannot read them.

    """
    rule = ask.model.reference
    name, given = _given(ask, rule.field)
    if rule.use == "refuses" and given:
        raise ask.refuse(name, f"Invalid '{name}': the model '{ask.model.id}' takes no reference image. Leave it out.")
    if rule.use == "needs" and not given:
        raise readers.missing(
            "image",
            f"The model '{ask.model.id}' edits an image: give a URL, a data URL or base64 (in an OpenAI SDK by "
            'extra_body={"image": ...}).',
        )
    if len(given) > rule.max:
        raise InvalidRequest(
            f"Invalid '{name}': the model '{ask.model.id}' takes at most {rule.max} "
            f"reference image{'s' if rule.max > 1 else ''}, but got {len(given)}.",
            code="array_above_max_length",
            param=name,
        )
    return [_respell(name, image, rule) for image in given]


def _given(ask: Ask, native: str) -> tuple[str, list[str]]:
    """Find the first spelling that holds an image; an empty one says nothing."""
    for name in dict.fromkeys((native or SPELLINGS[0], *SPELLINGS)):
        images = ask.read(name, _strings)
        if images:
            return name, images
    return SPELLINGS[0], []


def _strings(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    for item in values:
        if not isinstance(item, str):
            raise readers.wrong_type(name, "a string or an array of strings", item)
    return [item for item in values if item]


def _respell(name: str, image: str, rule: Reference) -> str:
    if image.startswith(("http://", "https://")):
        if len(image) > rule.max_url_chars or not image.isascii() or not image.isprintable() or " " in image:
            raise _bad(name, f"the URL must be printable ASCII of at most {rule.max_url_chars} characters")
        return image
    head, comma, body = image.partition(",") if image.startswith("data:") else ("", "", image)
    if head and not (comma and head.endswith(";base64")):
        raise _bad(name, "a data URL must be of the form 'data:image/png;base64,...'")
    if "\n" in body or "\r" in body:  # wrapped, as MIME has it
        body = body.translate(_UNWRAP)
    try:
        data = pybase64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise _bad(name, f"'{readers.show(image)}' is neither a URL (http, https, data) nor base64") from None
    kind = media.sniff(data)
    if kind is None:
        raise _bad(name, "the bytes are no image; PNG, JPEG, WEBP, GIF, BMP and ICO are known")
    return body if rule.inline == "base64" else f"data:{kind};base64,{body}"


def _bad(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{name}': {why}.", code="invalid_value", param=name)

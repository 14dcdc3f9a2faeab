"""OpenAI's wire types: the request's fields in, the images response out."""

from typing import Any

import msgspec
import pybase64

from gateway.api.json_body import decode_object
from gateway.dialects.base import Usage
from gateway.errors import InvalidRequest
from gateway.generation.outcome import Outcome
from gateway.generation.pictures import Picture
from gateway.generation.plan import Plan


def read_fields(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InvalidRequest: the body is empty, is no JSON, is JSON of another kind, or names a field twice.

    """
    if not body.strip():
        raise InvalidRequest("The body is empty. Expected a JSON object with at least 'prompt'.", code="invalid_json")
    return decode_object(body, msgspec.json.decode)


class InputTokens(msgspec.Struct, frozen=True):
    """What the input was made of."""

    text_tokens: int = 0
    image_tokens: int = 0


class OutputTokens(msgspec.Struct, frozen=True):
    """What the output was made of."""

    image_tokens: int = 0
    text_tokens: int = 0


class UsageBlock(msgspec.Struct, frozen=True):
    """Tokens; all zero where upstream reports none."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_tokens_details: InputTokens
    output_tokens_details: OutputTokens


class ImageItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One picture: exactly one of `b64_json` and `url`."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class ImagesResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `POST /v1/images/generations`; what is told of the pictures is read from their bytes."""

    created: int
    data: list[ImageItem]
    usage: UsageBlock
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None


_HOLE = "@"
_THREE_SIZES = {"1024x1024", "1024x1536", "1536x1024"}


def respond(plan: Plan, outcome: Outcome, *, created: int, urls: list[str] | None, any_size: bool = True) -> bytes:
    """Render an outcome; `urls` in place of the bytes where they were asked for. `created` is in unix seconds.

    Without `any_size` a size that old clients do not know is left out, for their strict models refuse it.
    """
    items = [
        ImageItem(
            url=urls[index] if urls else None,
            b64_json=None if urls else _HOLE,
            revised_prompt=picture.revised_prompt,
        )
        for index, picture in enumerate(outcome.pictures)
    ]
    first = outcome.pictures[0]
    size = f"{first.width}x{first.height}"
    frame = msgspec.json.encode(
        ImagesResponse(
            created=created,
            data=items,
            usage=_usage(outcome.usage or Usage()),
            background=_background(plan, first),
            output_format=first.format,
            quality=plan.quality,
            size=size if any_size or size in _THREE_SIZES else None,
        )
    )
    return frame if urls else _filled(frame, outcome.pictures)


class CompletedEvent(msgspec.Struct, frozen=True, tag="image_generation.completed"):
    """The one event of a stream; every field is required, so what the request left open is `auto`."""

    b64_json: str
    created_at: int
    size: str
    quality: str
    background: str
    output_format: str
    usage: UsageBlock


def completed_event(plan: Plan, outcome: Outcome, *, created: int, any_size: bool = True) -> bytes:
    """Render the event that ends a stream; `any_size` as above, but here the field is required and takes `auto`."""
    picture = outcome.pictures[0]
    size = f"{picture.width}x{picture.height}"
    frame = msgspec.json.encode(
        CompletedEvent(
            b64_json=_HOLE,
            created_at=created,
            size=size if any_size or size in _THREE_SIZES else "auto",
            quality=plan.quality or "auto",
            background=_background(plan, picture),
            output_format=picture.format,
            usage=_usage(outcome.usage or Usage()),
        )
    )
    return _filled(frame, [picture])


def _background(plan: Plan, picture: Picture) -> str:
    return "transparent" if plan.wants_transparency and picture.has_alpha else "opaque"


def _filled(frame: bytes, pictures: list[Picture]) -> bytes:
    """Put the pictures into the holes of a rendered frame, encoded once and copied once.

    Nothing else can look like a hole: in a JSON string the quotes around the key would be escaped.
    """
    head, *tails = frame.split(b'"b64_json":"' + _HOLE.encode() + b'"')
    pieces = [head]
    for picture, tail in zip(pictures, tails, strict=True):
        pieces += [b'"b64_json":"', pybase64.b64encode(picture.data), b'"', tail]
    return b"".join(pieces)


def _usage(usage: Usage) -> UsageBlock:
    return UsageBlock(
        total_tokens=usage.total_tokens,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_tokens_details=InputTokens(usage.text_input_tokens, usage.image_input_tokens),
        output_tokens_details=OutputTokens(image_tokens=usage.output_tokens),
    )

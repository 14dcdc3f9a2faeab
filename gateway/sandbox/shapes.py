"""The reply shapes: every model's own, and the forms that other replies were seen to have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pybase64

from gateway.sandbox.pictures import Picture

_CREATED = 1_760_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as a reply shows it: encoded, or as a link."""

    picture: Picture
    content: bytes = b""
    url: str = ""

    @property
    def base64(self) -> str:
        """The encoded picture as base64."""
        return pybase64.b64encode(self.content).decode()

    @property
    def prompt(self) -> str:
        """What a provider that rewrites prompts made of this one."""
        return f"{self.picture.prompt}, rendered in rich detail"


@dataclass(frozen=True, slots=True)
class Shape:
    """How pictures become a reply; `inline` ones need the bytes, the others a link."""

    inline: bool
    render: Callable[[Sequence[Shown], Mapping[str, Any]], Any]


def openai_usage(given: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Count tokens as gpt-image-1 has them (OpenAI's image generation guide, cost and latency)."""
    per_quality = {
        "1024x1024": {"low": 272, "medium": 1056, "high": 4160},
        "1024x1536": {"low": 408, "medium": 1584, "high": 6240},
        "1536x1024": {"low": 400, "medium": 1568, "high": 6208},
    }[given.get("size", "1024x1024")]
    image = given.get("image", [])
    references = len(image) if isinstance(image, list) else 1
    prompt = 5 + len(given["prompt"]) // 4
    pictures = per_quality[given.get("quality", "high")] * count
    return {
        "input_tokens": prompt + 323 * references,
        "input_tokens_details": {"image_tokens": 323 * references, "text_tokens": prompt},
        "output_tokens": pictures,
        "output_tokens_details": {},
        "total_tokens": prompt + 323 * references + pictures,
    }


def _openai(shown: Sequence[Shown], given: Mapping[str, Any]) -> Any:
    images = [{"bytesBase64": one.base64, "mimeType": one.picture.extension} for one in shown]
    return {"output": {"b64_json": images, "urls": []}, "usage": openai_usage(given, len(shown))}


def _dalle(shown: Sequence[Shown], _: Mapping[str, Any]) -> Any:
    return {"output": {"urls": [{"url": one.url, "revised_prompt": one.prompt} for one in shown]}}


def _imagen(shown: Sequence[Shown], _: Mapping[str, Any]) -> Any:
    # Both spellings of the type were seen in the wild.
    return {
        "output": [
            {
                "bytesBase64": one.base64,
                "mimeType": one.picture.extension if one.picture.serial % 2 else one.picture.media_type,
            }
            for one in shown
        ]
    }


def _ideogram(shown: Sequence[Shown], given: Mapping[str, Any]) -> Any:
    return {
        "output": [
            {
                "url": one.url,
                "prompt": one.prompt,
                "resolution": f"{one.picture.width}x{one.picture.height}",
                "is_image_safe": True,
                "seed": given.get("seed", one.picture.serial),
                "style_type": given.get("style_type", "GENERAL"),
            }
            for one in shown
        ]
    }


def _stability(shown: Sequence[Shown], given: Mapping[str, Any]) -> Any:
    return {
        "output": {
            "images": [one.base64 for one in shown],
            "finish_reasons": [None for _ in shown],
            "seeds": [given.get("seed", one.picture.serial) for one in shown],
        }
    }


def _items(key: str, value: Callable[[Shown], Any]) -> Callable[[Sequence[Shown], Mapping[str, Any]], Any]:
    return lambda shown, _: {"output": [{key: value(one)} for one in shown]}


def _data_url(one: Shown) -> str:
    return f"data:{one.picture.media_type};base64,{one.base64}"


def _first(shown: Sequence[Shown], _: Mapping[str, Any]) -> Any:
    return shown[0].content if shown else b""


SHAPES = {
    "openai": Shape(True, _openai),
    "dalle": Shape(False, _dalle),
    "imagen": Shape(True, _imagen),
    "urls": Shape(False, _items("url", lambda one: one.url)),
    "data": Shape(True, lambda shown, _: {"created": _CREATED, "data": [{"b64_json": one.base64} for one in shown]}),
    "ideogram": Shape(False, _ideogram),
    "stability": Shape(True, _stability),
    "form-base64_json": Shape(True, _items("base64_json", lambda one: one.base64)),
    "form-bytesBase64Encoded": Shape(True, _items("bytesBase64Encoded", lambda one: one.base64)),
    "form-data-url": Shape(True, _items("b64_json", _data_url)),
    "form-url-strings": Shape(False, lambda shown, _: {"output": {"urls": [one.url for one in shown]}}),
    "form-url-objects": Shape(False, _items("url", lambda one: one.url)),
    "form-content-url": Shape(False, _items("content_url", lambda one: one.url)),
    "form-output-strings": Shape(True, lambda shown, _: {"output": [_data_url(one) for one in shown]}),
    "form-data-urls": Shape(False, lambda shown, _: {"created": _CREATED, "data": [{"url": one.url} for one in shown]}),
    "form-object": Shape(True, lambda shown, _: {"output": {"b64_json": [one.base64 for one in shown]}}),
    "form-image-body": Shape(True, _first),
}

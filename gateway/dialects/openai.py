"""gpt-image-1 and dall-e-3 (Aihubmix document, section OpenAI)."""

from typing import Any, Literal

from gateway.dialects import predictions, readers, references, sizes, tasks
from gateway.dialects.ask import Ask
from gateway.dialects.base import Draft

submit = predictions.submit
collect = tasks.collect

PARAMS = {"input_fidelity": readers.choice("high", "low")}

_GPT_QUALITY = {"standard": "medium", "hd": "high", "xhigh": "high", "max": "high"}
_DALLE_QUALITY = {
    "low": "standard",
    "medium": "standard",
    "auto": "standard",
    "high": "hd",
    "xhigh": "hd",
    "max": "hd",
}


def draft(ask: Ask) -> Draft:
    """Translate a request for either model."""
    return _dalle(ask) if ask.model.id.startswith("dall-e") else _gpt(ask)


def _gpt(ask: Ask) -> Draft:
    """Leave `size: auto` out, since it is refused when sent; always say the format, since its default is disputed."""
    encoding = ask.field("output_format") or "png"
    payload: dict[str, Any] = {"prompt": ask.prompt, "output_format": encoding}
    size = sizes.listed(ask)
    quality = _quality(ask, _GPT_QUALITY)
    images = references.take(ask)
    optional = {
        "size": size,
        "quality": quality,
        "background": ask.field("background"),
        "moderation": None if images else ask.field("moderation"),
        "output_compression": None if encoding == "png" else ask.field("output_compression"),
        "user": ask.field("user") or None,
        "image": images[0] if len(images) == 1 else images or None,
        **(ask.native(PARAMS) if images else {}),
    }
    payload |= {name: value for name, value in optional.items() if value is not None}
    return Draft(payload, _priced(quality), size, compressed=True)


def _dalle(ask: Ask) -> Draft:
    size = sizes.listed(ask)
    quality = _quality(ask, _DALLE_QUALITY)
    references.take(ask)
    optional = {"size": size, "quality": quality, "style": ask.field("style"), "user": ask.field("user") or None}
    payload = {"prompt": ask.prompt} | {name: value for name, value in optional.items() if value is not None}
    return Draft(payload, "high" if quality == "hd" else "medium", size or "1024x1024")


def _quality(ask: Ask, translated: dict[str, str]) -> str | None:
    """Take `quality` in the model's own words; a translated one is disclosed."""
    quality: str | None = ask.field("quality")
    if quality in translated:
        quality = ask.adjusted["quality"] = translated[quality]
    return None if quality == "auto" else quality


def _priced(quality: str | None) -> Literal["low", "medium", "high"] | None:
    return quality if quality in {"low", "medium", "high"} else None  # type: ignore[return-value]  # narrowed

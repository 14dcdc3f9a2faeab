"""Ideogram V3 (Aihubmix document, section Ideogram V3; ranges as in Ideogram's reference)."""

from typing import Any, Literal

from gateway.dialects import predictions, readers, references, sizes, tasks
from gateway.dialects.ask import Ask
from gateway.dialects.base import Draft

RESOLUTIONS = tuple(
    "512x1536 576x1408 576x1472 576x1536 640x1344 640x1408 640x1472 640x1536 704x1152 704x1216 704x1280 704x1344 "
    "704x1408 704x1472 736x1312 768x1088 768x1216 768x1280 768x1344 800x1280 832x960 832x1024 832x1088 832x1152 "
    "832x1216 832x1248 864x1152 896x960 896x1024 896x1088 896x1120 896x1152 960x832 960x896 960x1024 960x1088 "
    "1024x832 1024x896 1024x960 1024x1024 1088x768 1088x832 1088x896 1088x960 1120x896 1152x704 1152x832 1152x864 "
    "1152x896 1216x704 1216x768 1216x832 1248x832 1280x704 1280x768 1280x800 1312x736 1344x640 1344x704 1344x768 "
    "1408x576 1408x640 1408x704 1472x576 1472x640 1472x704 1536x512 1536x576 1536x640".split()
)

PARAMS = {
    "magic_prompt": readers.choice("AUTO", "ON", "OFF"),
    "negative_prompt": readers.text(max_chars=32_000),
    "style_type": readers.choice("AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"),
}

_SPEED = {"low": "TURBO", "medium": "DEFAULT", "standard": "DEFAULT", "high": "QUALITY", "hd": "QUALITY"}
_QUALITY: dict[str, Literal["low", "medium", "high"]] = {
    "FLASH": "low",
    "TURBO": "low",
    "DEFAULT": "medium",
    "QUALITY": "high",
}

submit = predictions.submit
collect = tasks.collect


def draft(ask: Ask) -> Draft:
    """Translate a request; the rendering speed is always sent, since it sets the price."""
    references.take(ask)
    speed = _speed(ask)
    payload: dict[str, Any] = {"prompt": ask.prompt, "rendering_speed": speed} | _shape(ask) | ask.native(PARAMS)
    seed = ask.seed(0, 2**31 - 1)
    if seed is not None:
        payload["seed"] = seed
    return Draft(payload, _QUALITY[speed])


def _speed(ask: Ask) -> str:
    native = ask.read("rendering_speed", readers.choice(*_QUALITY))
    if native is not None:
        return native
    quality: str | None = ask.chosen("quality")
    if quality is None:
        return "DEFAULT"
    if quality in {"xhigh", "max"}:
        quality = ask.adjusted["quality"] = "high"
    return _SPEED[quality]


def _shape(ask: Ask) -> dict[str, str]:
    """Take `resolution` or a ratio, of which upstream takes only one; it spells ratios with an x."""
    resolution = ask.read("resolution", readers.choice(*RESOLUTIONS))
    if resolution is not None:
        if "aspect_ratio" in ask:
            raise ask.refuse("resolution", "Give either 'resolution' or 'aspect_ratio', not both.")
        return {"resolution": resolution}
    ratio = sizes.ratio(ask)
    return {"aspect_ratio": ratio.replace(":", "x")} if ratio else {}

"""The fields of a generation request: OpenAI's own, ours, and those that only some models take."""

from typing import Any

from gateway.catalog import Catalog, Model
from gateway.dialects.ask import MAX_IMAGES
from gateway.dialects.ideogram import RESOLUTIONS

Schema = dict[str, Any]


def _text(description: str, **limits: Any) -> Schema:
    return {"type": "string", **limits, "description": description}


def _choice(description: str, *values: str) -> Schema:
    return {"type": "string", "enum": list(values), "description": description}


def _integer(low: int, high: int, description: str, **more: Any) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, **more, "description": description}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


_RATIO = "^[1-9][0-9]{0,3}[:x][1-9][0-9]{0,3}$"
_STRINGS = {"type": "array", "items": {"type": "string"}}

OPENAI: dict[str, Schema] = {
    "prompt": _text(
        "What to draw, up to 32000 characters; some models take fewer.", minLength=1, maxLength=32_000
    ),
    "model": _text("A model's id or one of its aliases. Without it: the operator's `images.default_model`."),
    "n": _integer(1, MAX_IMAGES, "How many images; works on every model.", default=1),
    "size": _text(
        "`WIDTHxHEIGHT`, `auto`, or a word that the model knows. A model of aspect ratios makes the nearest one: "
        "up to 15 % off it is named in `x-gateway-adjusted`, further off is a 400.",
        pattern="^(auto|[124]K|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$",
    ),
    "quality": _choice(
        "gpt-image-1 takes low, medium and high; dall-e-3 standard and hd; V3 sets its rendering speed by it.",
        "low", "medium", "high", "xhigh", "max", "auto", "standard", "hd",
    ),
    "response_format": _choice(
        "Bytes, or a URL on this gateway. Default: `url` for dall-e-3, else `b64_json`.", "url", "b64_json"
    ),
    "output_format": _choice(
        "The image's encoding, on every model: by the model where it can, else by the gateway. "
        "Default: as the model made it.",
        "png", "jpeg", "webp",
    ),
    "output_compression": _integer(0, 100, "The encoder's quality, for JPEG and WebP.", default=100),
    "background": _choice("`transparent` needs gpt-image-1 and PNG or WebP.", "transparent", "opaque", "auto"),
    "moderation": _choice("`low` is less strict: gpt-image-1, and Flux by its `safety_tolerance`.", "low", "auto"),
    "style": _choice("dall-e-3 only.", "vivid", "natural"),
    "stream": _flag("Answers with server-sent events; `n` must be 1."),
    "partial_images": _integer(0, 3, "Accepted for a stream, which carries the finished picture alone."),
    "user": _text("Your end user; for the models that take it.", maxLength=512),
    "safety_identifier": _text("Accepted, as SDKs send it; no model takes it.", maxLength=512),
}  # fmt: skip
"""As `gateway.dialects.ask` reads them."""

IMAGE: Schema = {
    "anyOf": [{"type": "string"}, _STRINGS],
    "description": "Reference images: a URL, a data URL or base64, or a list of them. "
    "The model table tells which models take, need or refuse one.",
}

NATIVE: dict[str, Schema] = {
    "aspect_ratio": _text("Like `16:9`; beats `size`.", pattern=_RATIO),
    "aspectRatio": _text("Imagen's spelling of `aspect_ratio`, which it takes as well.", pattern=_RATIO),
    "feature": _choice("What to do with the reference image.", "variation"),
    "guidance": {"type": "number", "minimum": 1, "maximum": 20, "description": "How closely to follow the prompt."},
    "input_fidelity": _choice("How closely to keep the reference image; ignored without one.", "high", "low"),
    "magic_prompt": _choice("Whether the model rewrites the prompt.", "AUTO", "ON", "OFF"),
    "negativePrompt": _text("What to keep out of the image.", maxLength=32_000),
    "negative_prompt": _text(
        "What to keep out of the image. Qwen-Image: up to 800 characters, Stable Diffusion: up to 10000.",
        maxLength=32_000,
    ),
    "personGeneration": _choice(
        "Whether people may appear.", "DONT_ALLOW", "ALLOW_ADULT", "dont_allow", "allow_adult", "allow_all"
    ),
    "prompt_extend": _flag("Whether the model rewrites the prompt."),
    "prompt_upsampling": _flag("Whether the model rewrites the prompt."),
    "rendering_speed": _choice("Speed against quality; sets the price.", "FLASH", "TURBO", "DEFAULT", "QUALITY"),
    "resolution": _choice("Exact pixels, in place of `aspect_ratio`.", *RESOLUTIONS),
    "safetySetting": _choice(
        "What to block.", "block_low_and_above", "block_medium_and_above", "block_only_high", "block_none"
    ),
    "safety_tolerance": _integer(0, 6, "0 is strictest; with a reference image at most 2."),
    "sampleImageSize": _choice("Pixels of the longer side; a large `size` chooses 2K by itself.", "1K", "2K"),
    "seed": _integer(
        -1, 2**32 - 1, "The same seed draws the same image again; the largest depends on the model. -1 is Seedream's. "
        "Where several calls make the images, each has one more than the last.",
    ),
    "steps": _integer(1, 50, "Sampling steps."),
    "style_type": _choice("The kind of picture.", "AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"),
    "watermark": _flag("Whether to mark the image as machine-made. Default: false."),
}  # fmt: skip
"""The models' own parameters, by the names that `models.toml` gives them; ranges as in each dialect."""


def request_schema(catalog: Catalog) -> Schema:
    """Make the schema of the request body; every field but `prompt` may be null, which means absent."""
    fields = {**OPENAI, "image": IMAGE, **_of_models(catalog)}
    properties = {name: schema if name == "prompt" else _nullable(schema) for name, schema in fields.items()}
    return {
        "type": "object",
        "description": "An OpenAI image request. A model's own parameters stand beside OpenAI's, as `extra_body` of an "
        "OpenAI SDK sends them. What a model cannot honour is named in `x-gateway-ignored`.",
        "required": ["prompt"],
        "properties": properties,
        "additionalProperties": True,
        "examples": [{"model": "gpt-image-1", "prompt": "A lighthouse at dawn", "size": "1024x1536"}],
    }


def _of_models(catalog: Catalog) -> dict[str, Schema]:
    """Collect what the catalogue's models take beside OpenAI's fields, and say which models those are."""
    takers: dict[str, list[str]] = {}
    for model in catalog.models:
        for name in own_parameters(model):
            takers.setdefault(name, []).append(model.id)
    return {name: own_schema(name) | {"x-models": takers[name]} for name in sorted(takers, key=str.casefold)}


def own_parameters(model: Model) -> list[str]:
    """Name the parameters of a model's own: its row's, its spelling of the reference image and of the count."""
    reference = [] if model.reference.use == "refuses" else [model.reference.field]
    names = dict.fromkeys([*model.params, *reference, model.count_field])
    return [name for name in names if name and name not in OPENAI and name != "image"]


def own_schema(name: str) -> Schema:
    """Tell what a parameter of a model's own takes."""
    if name in NATIVE:
        return NATIVE[name]
    if name in {"input_image", "refer_image"}:
        return IMAGE | {"description": "The model's own spelling of `image`."}
    if name == "numberOfImages":
        return _integer(1, MAX_IMAGES, "The model's own spelling of `n`.")
    return {"description": "A parameter of the model's own; see its provider's reference."}


def _nullable(schema: Schema) -> Schema:
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "type" not in schema:
        return schema
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | values

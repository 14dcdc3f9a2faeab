"""What each family of models takes in its body, by the Aihubmix document and the providers' references."""

from collections.abc import Mapping
from typing import Any

from gateway.sandbox import sizes
from gateway.sandbox.rules import (
    Check,
    Contract,
    Rule,
    area,
    boolean,
    choice,
    integer,
    number,
    one_or_more,
    options,
    ratio,
    reference,
    sides,
    text,
)


def _together(key: str, other: str) -> Check:
    def check(given: Mapping[str, Any]) -> tuple[str, str] | None:
        return (key, f"cannot stand together with {other}") if key in given and other in given else None

    return check


def _only_with(key: str, other: str, *values: Any) -> Check:
    def check(given: Mapping[str, Any]) -> tuple[str, str] | None:
        if key not in given or (other in given and (not values or given[other] in values)):
            return None
        return key, f"only stands together with {other}" + (f" {' or '.join(values)}" if values else "")

    return check


def _transparency(given: Mapping[str, Any]) -> tuple[str, str] | None:
    if given.get("background") == "transparent" and given["output_format"] == "jpeg":
        return "background", "transparent needs output_format png or webp"
    return None


def _reference_tolerance(given: Mapping[str, Any]) -> tuple[str, str] | None:
    # Aihubmix document, section Flux: with a reference image the limit is 2.
    if "input_image" in given and given.get("safety_tolerance", 2) > 2:
        return "safety_tolerance", "must be at most 2 with a reference image"
    return None


_FORMATS = choice("png", "jpeg", "webp")
_SEED = integer(0, 2**31 - 1)
_REFERENCE = reference()
_IRAG_REFERENCE = reference(plain=False, longest_url=1024, least_side=128, widest=4)
_FLUX_RATIO = ratio(9 / 21, 21 / 9)

GPT_IMAGE = Contract(
    needs={"prompt": text(32_000), "n": integer(1, 10), "output_format": _FORMATS},
    may={
        "size": choice("1024x1024", "1536x1024", "1024x1536"),
        "quality": choice("low", "medium", "high"),
        "moderation": choice("auto", "low"),
        "background": choice("auto", "transparent", "opaque"),
        "output_compression": integer(0, 100),
        "user": text(),
        "image": one_or_more(_REFERENCE, 16),
        "input_fidelity": choice("high", "low"),
    },
    checks=(
        _together("moderation", "image"),
        _only_with("input_fidelity", "image"),
        _only_with("output_compression", "output_format", "jpeg", "webp"),
        _transparency,
    ),
)

DALLE = Contract(
    needs={"prompt": text(4000), "n": choice(1)},
    may={
        "size": choice("1024x1024", "1792x1024", "1024x1792"),
        "quality": choice("standard", "hd"),
        "style": choice("vivid", "natural"),
        "user": text(),
    },
)

_IMAGEN_OUTPUT = Contract(
    needs={},
    may={"mimeType": choice("image/png", "image/jpeg"), "compressionQuality": integer(0, 100)},
    checks=(_only_with("compressionQuality", "mimeType", "image/jpeg"),),
)


def imagen(*, most: int, sharp: bool) -> Contract:
    """Describe an Imagen model that draws up to `most` images, `sharp` ones also in 2K."""
    may: dict[str, Rule] = {
        "aspectRatio": choice("1:1", "3:4", "4:3", "9:16", "16:9"),
        "seed": integer(0, 2**32 - 1),
        "negativePrompt": text(),
        "personGeneration": choice("DONT_ALLOW", "ALLOW_ADULT", "ALLOW_ALL", "dont_allow", "allow_adult", "allow_all"),
        "safetySetting": text(),
        "outputOptions": options(_IMAGEN_OUTPUT),
    }
    if sharp:
        may["sampleImageSize"] = choice("1K", "2K")
    # Its limit is 480 tokens, and a word is at least one.
    return Contract(needs={"prompt": text(most_words=480), "numberOfImages": integer(1, most)}, may=may)


def kontext(*, takes_reference: bool) -> Contract:
    """Describe an asynchronous Flux model; only flux-kontext-max takes a reference image."""
    may: dict[str, Rule] = {
        "safety_tolerance": integer(0, 6),
        "seed": _SEED,
        "prompt_upsampling": boolean,
        "output_format": _FORMATS,
    }
    if takes_reference:
        may["input_image"] = reference(data_url=False)
    return Contract(needs={"prompt": text(), "aspect_ratio": _FLUX_RATIO}, may=may, checks=(_reference_tolerance,))


def one_step(name: str) -> Contract:
    """Describe a Flux model of the one-step route, whose body names the model."""
    return Contract(
        needs={"model": choice(name), "prompt": text()},
        may={"safety_tolerance": integer(0, 6), "aspect_ratio": _FLUX_RATIO},
    )


def _baidu(needs: Mapping[str, Rule], may: Mapping[str, Rule]) -> Contract:
    return Contract(
        needs={"watermark": boolean, **needs},
        may={"guidance": number(1, 20), "size": sides(512, 2048), **may},
    )


QWEN_IMAGE = _baidu(
    {"prompt": text(800), "n": choice(1)},
    {
        "refer_image": _REFERENCE,
        "seed": _SEED,
        "steps": integer(1, 50),
        "negative_prompt": text(),
        "prompt_extend": boolean,
    },
)
QWEN_IMAGE_EDIT = _baidu({"prompt": text(800), "refer_image": one_or_more(_REFERENCE, 3)}, {})
IRAG = _baidu({"prompt": text(220), "n": integer(1, 4)}, {"refer_image": _IRAG_REFERENCE, "user": text()})
IRAG_EDIT = _baidu({"prompt": text(), "refer_image": _REFERENCE}, {"feature": choice("variation")})

SEEDREAM = Contract(
    needs={
        "prompt": text(),
        "size": area(1280 * 720, 4096 * 4096, 16, "1K", "2K", "4K"),
        "sequential_image_generation": choice("disabled"),
        "stream": choice(False),
        "response_format": choice("url"),
        "watermark": boolean,
    },
    may={"seed": integer(-1, 2**31 - 1), "image": one_or_more(_REFERENCE, 10)},
)

IDEOGRAM = Contract(
    needs={"prompt": text()},
    may={
        "rendering_speed": choice("FLASH", "TURBO", "DEFAULT", "QUALITY"),
        "aspect_ratio": choice(*sizes.IDEOGRAM_RATIOS),
        "resolution": choice(*sizes.IDEOGRAM_RESOLUTIONS),
        "magic_prompt": choice("AUTO", "ON", "OFF"),
        "style_type": choice("AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"),
        "negative_prompt": text(),
        "seed": _SEED,
    },
    checks=(_together("aspect_ratio", "resolution"),),
)

STABILITY = Contract(
    needs={"prompt": text(10_000), "n": choice(1)},
    may={
        "aspect_ratio": choice("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"),
        "seed": integer(0, 4_294_967_294),
        "negative_prompt": text(10_000),
        "output_format": _FORMATS,
    },
)

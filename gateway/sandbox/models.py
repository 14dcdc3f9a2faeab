"""The models of the Aihubmix document: where each is called, what it takes, and what it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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

Given = Mapping[str, Any]
Provider = Literal["openai", "dalle", "imagen", "bfl", "azure", "baidu", "ark", "ideogram", "stability"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model; `path` is what stands between `/v1/models/` and `/predictions`, None for the one-step route."""

    name: str
    path: str | None
    provider: Provider
    contract: Contract
    size: Callable[[Given], sizes.Size]
    encoding: Callable[[Given], str]
    shape: str
    count_key: str | None = None

    @property
    def asynchronous(self) -> bool:
        """Whether a call answers with a task instead of a picture."""
        return self.provider == "bfl"


def find(name: str) -> Model | None:
    """Find the model of this name or path, whatever the case."""
    wanted = name.lower()
    return next((m for m in MODELS if wanted in (m.name.lower(), (m.path or m.name).lower())), None)


def _always(encoding: str) -> Callable[[Given], str]:
    return lambda _: encoding


def _output_format(given: Given) -> str:
    return str(given.get("output_format", "png"))


def _together(key: str, other: str) -> Check:
    def check(given: Given) -> tuple[str, str] | None:
        return (key, f"cannot stand together with {other}") if key in given and other in given else None

    return check


def _only_with(key: str, other: str, *values: Any) -> Check:
    def check(given: Given) -> tuple[str, str] | None:
        if key not in given or (other in given and (not values or given[other] in values)):
            return None
        return key, f"only stands together with {other}" + (f" {' or '.join(values)}" if values else "")

    return check


_FORMATS = choice("png", "jpeg", "webp")
_SEED = integer(0, 2**31 - 1)
_REFERENCE = reference()


def _transparency(given: Given) -> tuple[str, str] | None:
    if given.get("background") == "transparent" and given["output_format"] == "jpeg":
        return "background", "transparent needs output_format png or webp"
    return None


_GPT_IMAGE = Model(
    name="gpt-image-1",
    path="opanai/gpt-image-1",
    provider="openai",
    contract=Contract(
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
    ),
    size=sizes.by_size,
    encoding=_output_format,
    shape="openai",
    count_key="n",
)

_DALLE = Model(
    name="dall-e-3",
    path="opanai/dall-e-3",
    provider="dalle",
    contract=Contract(
        needs={"prompt": text(4000), "n": choice(1)},
        may={
            "size": choice("1024x1024", "1792x1024", "1024x1792"),
            "quality": choice("standard", "hd"),
            "style": choice("vivid", "natural"),
            "user": text(),
        },
    ),
    size=sizes.by_size,
    encoding=_always("png"),
    shape="dalle",
    count_key="n",
)

_IMAGEN_OUTPUT = Contract(
    needs={},
    may={"mimeType": choice("image/png", "image/jpeg"), "compressionQuality": integer(0, 100)},
    checks=(_only_with("compressionQuality", "mimeType", "image/jpeg"),),
)


def _imagen(name: str, *, most: int = 4, sharp: bool = False) -> Model:
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
    return Model(
        name=name,
        path=f"google/{name}",
        provider="imagen",
        # Its limit is 480 tokens, and a word is at least one.
        contract=Contract(needs={"prompt": text(most_words=480), "numberOfImages": integer(1, most)}, may=may),
        size=sizes.imagen,
        encoding=lambda given: given.get("outputOptions", {}).get("mimeType", "image/png").removeprefix("image/"),
        shape="imagen",
        count_key="numberOfImages",
    )


_FLUX_RATIO = ratio(9 / 21, 21 / 9)


def _reference_tolerance(given: Given) -> tuple[str, str] | None:
    # Aihubmix document, section Flux: with a reference image the limit is 2.
    if "input_image" in given and given.get("safety_tolerance", 2) > 2:
        return "safety_tolerance", "must be at most 2 with a reference image"
    return None


def _kontext(name: str, *, takes_reference: bool) -> Model:
    may: dict[str, Rule] = {
        "safety_tolerance": integer(0, 6),
        "seed": _SEED,
        "prompt_upsampling": boolean,
        "output_format": _FORMATS,
    }
    if takes_reference:
        may["input_image"] = reference(data_url=False)
    return Model(
        name=name,
        path=f"bfl/{name}",
        provider="bfl",
        contract=Contract(
            needs={"prompt": text(), "aspect_ratio": _FLUX_RATIO}, may=may, checks=(_reference_tolerance,)
        ),
        size=sizes.by_aspect_ratio,
        encoding=_output_format,
        shape="task",
    )


def _one_step(name: str) -> Model:
    return Model(
        name=name,
        path=None,
        provider="azure",
        contract=Contract(
            needs={"model": choice(name), "prompt": text()},
            may={"safety_tolerance": integer(0, 6), "aspect_ratio": _FLUX_RATIO},
        ),
        size=sizes.by_aspect_ratio,
        encoding=_always("png"),
        shape="data",
    )


def _baidu(name: str, path: str, needs: Mapping[str, Rule], may: Mapping[str, Rule]) -> Model:
    return Model(
        name=name,
        path=path,
        provider="baidu",
        contract=Contract(
            needs={"watermark": boolean, **needs},
            may={"guidance": number(1, 20), "size": sides(512, 2048), **may},
        ),
        size=sizes.by_size,
        encoding=_always("png"),
        shape="urls",
        count_key="n" if "n" in needs else None,
    )


_IRAG_REFERENCE = reference(plain=False, longest_url=1024, least_side=128, widest=4)

_SEEDREAM = Model(
    name="doubao-seedream-4-0-250828",
    path="doubao/doubao-seedream-4-0-250828",
    provider="ark",
    contract=Contract(
        needs={
            "prompt": text(),
            "size": area(1280 * 720, 4096 * 4096, 16, "1K", "2K", "4K"),
            "sequential_image_generation": choice("disabled"),
            "stream": choice(False),
            "response_format": choice("url"),
            "watermark": boolean,
        },
        may={"seed": integer(-1, 2**31 - 1), "image": one_or_more(_REFERENCE, 10)},
    ),
    size=sizes.seedream,
    encoding=_always("jpeg"),
    shape="urls",
)

_IDEOGRAM = Model(
    name="V3",
    path="ideogram/V3",
    provider="ideogram",
    contract=Contract(
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
    ),
    size=sizes.ideogram,
    encoding=_always("png"),
    shape="ideogram",
)

_STABILITY = Model(
    name="Stable-Diffusion-3-5-Large",
    path="stability/Stable-Diffusion-3-5-Large",
    provider="stability",
    contract=Contract(
        needs={"prompt": text(10_000), "n": choice(1)},
        may={
            "aspect_ratio": choice("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"),
            "seed": integer(0, 4_294_967_294),
            "negative_prompt": text(10_000),
            "output_format": _FORMATS,
        },
    ),
    size=sizes.by_aspect_ratio,
    encoding=_output_format,
    shape="stability",
    count_key="n",
)

MODELS = (
    _GPT_IMAGE,
    _DALLE,
    _imagen("imagen-4.0-ultra-generate-001", most=1, sharp=True),
    _imagen("imagen-4.0-generate-001", sharp=True),
    _imagen("imagen-4.0-fast-generate-001"),
    _imagen("imagen-4.0-fast-generate-preview-06-06"),
    _imagen("imagen-3.0-generate-002"),
    _kontext("flux-kontext-max", takes_reference=True),
    _kontext("flux-kontext-pro", takes_reference=False),
    _one_step("FLUX.1-Kontext-pro"),
    _one_step("FLUX-1.1-pro"),
    _baidu(
        "Qwen-Image",
        "qianfan/qwen-image",
        {"prompt": text(800), "n": choice(1)},
        {
            "refer_image": _REFERENCE,
            "seed": _SEED,
            "steps": integer(1, 50),
            "negative_prompt": text(),
            "prompt_extend": boolean,
        },
    ),
    _baidu(
        "Qwen-Image-Edit",
        "qianfan/qwen-image-edit",
        {"prompt": text(800), "refer_image": one_or_more(_REFERENCE, 3)},
        {},
    ),
    _SEEDREAM,
    _IDEOGRAM,
    _STABILITY,
    _baidu(
        "irag-1.0",
        "qianfan/irag-1.0",
        {"prompt": text(220), "n": integer(1, 4)},
        {"refer_image": _IRAG_REFERENCE, "user": text()},
    ),
    _baidu(
        "ernie-irag-edit",
        "qianfan/ernie-irag-edit",
        {"prompt": text(), "refer_image": _REFERENCE},
        {"feature": choice("variation")},
    ),
)

"""The models of the Aihubmix document: where each is called, what it takes, and what it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.sandbox import contracts, sizes
from gateway.sandbox.rules import Contract

Given = Mapping[str, Any]
Provider = Literal["openai", "dalle", "imagen", "bfl", "azure", "baidu", "ark", "ideogram", "stability"]


def _output_format(given: Given) -> str:
    return str(given.get("output_format", "png"))


def _imagen_format(given: Given) -> str:
    media_type: str = given.get("outputOptions", {}).get("mimeType", "image/png")
    return media_type.removeprefix("image/")


@dataclass(frozen=True, slots=True)
class Model:
    """One model; `path` is what stands between `/v1/models/` and `/predictions`, None for the one-step route."""

    name: str
    path: str | None
    provider: Provider
    contract: Contract
    shape: str
    size: Callable[[Given], sizes.Size]
    encoding: Callable[[Given], str] = _output_format

    @property
    def asynchronous(self) -> bool:
        """Whether a call answers with a task instead of a picture."""
        return self.provider == "bfl"

    def count(self, given: Given) -> int:
        """How many pictures a valid call asks for."""
        return int(given.get("numberOfImages", given.get("n", 1)))


def find(name: str) -> Model | None:
    """Find the model of this name or path, whatever the case."""
    wanted = name.lower()
    return next((m for m in MODELS if wanted in (m.name.lower(), (m.path or m.name).lower())), None)


def _imagen(name: str, *, most: int = 4, sharp: bool = False) -> Model:
    contract = contracts.imagen(most=most, sharp=sharp)
    return Model(name, f"google/{name}", "imagen", contract, "imagen", sizes.imagen, _imagen_format)


def _kontext(name: str, *, takes_reference: bool) -> Model:
    contract = contracts.kontext(takes_reference=takes_reference)
    return Model(name, f"bfl/{name}", "bfl", contract, "task", sizes.by_aspect_ratio)


def _one_step(name: str) -> Model:
    return Model(name, None, "azure", contracts.one_step(name), "data", sizes.by_aspect_ratio)


def _baidu(name: str, contract: Contract) -> Model:
    return Model(name, f"qianfan/{name.lower()}", "baidu", contract, "urls", sizes.by_size)


_SEEDREAM = "doubao-seedream-4-0-250828"
_STABILITY = "Stable-Diffusion-3-5-Large"

MODELS = (
    Model("gpt-image-1", "opanai/gpt-image-1", "openai", contracts.GPT_IMAGE, "openai", sizes.by_size),
    Model("dall-e-3", "opanai/dall-e-3", "dalle", contracts.DALLE, "dalle", sizes.by_size),
    _imagen("imagen-4.0-ultra-generate-001", most=1, sharp=True),
    _imagen("imagen-4.0-generate-001", sharp=True),
    _imagen("imagen-4.0-fast-generate-001"),
    _imagen("imagen-4.0-fast-generate-preview-06-06"),
    _imagen("imagen-3.0-generate-002"),
    _kontext("flux-kontext-max", takes_reference=True),
    _kontext("flux-kontext-pro", takes_reference=False),
    _one_step("FLUX.1-Kontext-pro"),
    _one_step("FLUX-1.1-pro"),
    _baidu("Qwen-Image", contracts.QWEN_IMAGE),
    _baidu("Qwen-Image-Edit", contracts.QWEN_IMAGE_EDIT),
    Model(_SEEDREAM, f"doubao/{_SEEDREAM}", "ark", contracts.SEEDREAM, "urls", sizes.seedream, lambda _: "jpeg"),
    Model("V3", "ideogram/V3", "ideogram", contracts.IDEOGRAM, "ideogram", sizes.ideogram),
    Model(_STABILITY, f"stability/{_STABILITY}", "stability", contracts.STABILITY, "stability", sizes.by_aspect_ratio),
    _baidu("irag-1.0", contracts.IRAG),
    _baidu("ernie-irag-edit", contracts.IRAG_EDIT),
)

"""Calls on the simulated Aihubmix, written by hand from its document: one valid input for each model."""

import base64
import io

import httpx
from PIL import Image

KEY = {"authorization": "Bearer sk-sandbox-0000"}


def _png(width, height):
    target = io.BytesIO()
    Image.new("RGB", (width, height), (200, 60, 20)).save(target, "PNG")
    return base64.b64encode(target.getvalue()).decode()


PNG = _png(160, 160)
DATA_URL = f"data:image/png;base64,{PNG}"
NARROW_PNG_URL = f"data:image/png;base64,{_png(1000, 200)}"
SMALL_PNG_URL = f"data:image/png;base64,{_png(100, 100)}"
LINK = "https://example.com/a.png"

_SEEDREAM = {
    "prompt": "a fox",
    "size": "1K",
    "sequential_image_generation": "disabled",
    "stream": False,
    "response_format": "url",
    "watermark": False,
}
# Per model: its path (None for the one-step route) and the least input that it takes.
MODELS = {
    "gpt-image-1": ("opanai/gpt-image-1", {"prompt": "a fox", "n": 1, "output_format": "png"}),
    "dall-e-3": ("opanai/dall-e-3", {"prompt": "a fox", "n": 1}),
    "imagen-4.0-ultra-generate-001": (
        "google/imagen-4.0-ultra-generate-001",
        {"prompt": "a fox", "numberOfImages": 1},
    ),
    "imagen-4.0-generate-001": ("google/imagen-4.0-generate-001", {"prompt": "a fox", "numberOfImages": 1}),
    "imagen-4.0-fast-generate-001": ("google/imagen-4.0-fast-generate-001", {"prompt": "a fox", "numberOfImages": 1}),
    "imagen-4.0-fast-generate-preview-06-06": (
        "google/imagen-4.0-fast-generate-preview-06-06",
        {"prompt": "a fox", "numberOfImages": 1},
    ),
    "imagen-3.0-generate-002": ("google/imagen-3.0-generate-002", {"prompt": "a fox", "numberOfImages": 1}),
    "flux-kontext-max": ("bfl/flux-kontext-max", {"prompt": "a fox", "aspect_ratio": "1:1"}),
    "flux-kontext-pro": ("bfl/flux-kontext-pro", {"prompt": "a fox", "aspect_ratio": "1:1"}),
    "FLUX.1-Kontext-pro": (None, {"model": "FLUX.1-Kontext-pro", "prompt": "a fox"}),
    "FLUX-1.1-pro": (None, {"model": "FLUX-1.1-pro", "prompt": "a fox"}),
    "Qwen-Image": ("qianfan/qwen-image", {"prompt": "a fox", "n": 1, "watermark": False}),
    "Qwen-Image-Edit": ("qianfan/qwen-image-edit", {"prompt": "a fox", "refer_image": LINK, "watermark": False}),
    "doubao-seedream-4-0-250828": ("doubao/doubao-seedream-4-0-250828", _SEEDREAM),
    "V3": ("ideogram/V3", {"prompt": "a fox"}),
    "Stable-Diffusion-3-5-Large": ("stability/Stable-Diffusion-3-5-Large", {"prompt": "a fox", "n": 1}),
    "irag-1.0": ("qianfan/irag-1.0", {"prompt": "a fox", "n": 1, "watermark": False}),
    "ernie-irag-edit": ("qianfan/ernie-irag-edit", {"prompt": "a fox", "refer_image": LINK, "watermark": False}),
}
ASYNCHRONOUS = ("flux-kontext-max", "flux-kontext-pro")


def buy(sandbox, model, *, without=(), **more):
    """Call a model with its least valid input, changed."""
    path, least = MODELS[model]
    given = {key: value for key, value in {**least, **more}.items() if key not in without}
    if path is None:
        return httpx.post(f"{sandbox.base_url}/v1/images/generations", json=given, headers=KEY)
    url = f"{sandbox.base_url}/v1/models/{path}/predictions"
    return httpx.post(url, json={"input": given}, headers=KEY)


def poll(sandbox, task_id):
    """Ask for a task once; the id is used as it is."""
    return httpx.get(f"{sandbox.tasks_url}/v1/tasks/{task_id}", headers=KEY)

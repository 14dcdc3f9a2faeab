"""Each model takes what its document shows, and nothing else."""

import pytest

from tests.support.sandbox_calls import DATA_URL, LINK, MODELS, NARROW_PNG_URL, PNG, SMALL_PNG_URL, buy

IMAGEN = "imagen-4.0-generate-001"
SD = "Stable-Diffusion-3-5-Large"
SEEDREAM = "doubao-seedream-4-0-250828"
ABSENT = object()

TAKEN = [
    ("gpt-image-1", {"size": "1536x1024", "quality": "low", "n": 2, "moderation": "low", "user": "u"}),
    ("gpt-image-1", {"output_format": "webp", "output_compression": 30, "background": "transparent"}),
    ("gpt-image-1", {"image": [LINK, DATA_URL, PNG], "input_fidelity": "high"}),
    ("dall-e-3", {"size": "1792x1024", "quality": "hd", "style": "natural", "user": "u"}),
    (IMAGEN, {"numberOfImages": 4, "aspectRatio": "16:9", "seed": 1, "negativePrompt": "dog"}),
    (IMAGEN, {"sampleImageSize": "1K", "outputOptions": {"mimeType": "image/jpeg", "compressionQuality": 50}}),
    ("flux-kontext-max", {"aspect_ratio": "21:9", "safety_tolerance": 6, "seed": 1, "output_format": "webp"}),
    ("flux-kontext-max", {"aspect_ratio": "9:21", "input_image": PNG, "safety_tolerance": 2}),
    ("flux-kontext-max", {"input_image": LINK, "prompt_upsampling": True}),
    ("flux-kontext-pro", {"safety_tolerance": 0}),
    ("FLUX.1-Kontext-pro", {"safety_tolerance": 6, "aspect_ratio": "2:3"}),
    ("Qwen-Image", {"size": "1664x928", "guidance": 7.5, "refer_image": PNG, "seed": 1, "steps": 50}),
    ("Qwen-Image", {"watermark": True, "negative_prompt": "dog", "prompt_extend": False}),
    ("Qwen-Image-Edit", {"refer_image": [LINK, DATA_URL, PNG], "guidance": 1, "size": "512x512"}),
    ("irag-1.0", {"n": 4, "size": "512x512", "refer_image": DATA_URL, "user": "u"}),
    ("ernie-irag-edit", {"feature": "variation", "refer_image": PNG}),
    (SEEDREAM, {"size": "1280x720", "seed": -1, "watermark": True}),
    (SEEDREAM, {"image": [LINK] * 10}),
    ("V3", {"rendering_speed": "QUALITY", "aspect_ratio": "2x1", "magic_prompt": "OFF", "style_type": "DESIGN"}),
    ("V3", {"resolution": "512x1536", "negative_prompt": "dog", "seed": 0}),
    (SD, {"aspect_ratio": "21:9", "seed": 4294967294, "negative_prompt": "dog", "output_format": "jpeg"}),
]

REFUSED = [
    ("gpt-image-1", "n", ABSENT),
    ("gpt-image-1", "n", 0),
    ("gpt-image-1", "n", 11),
    ("gpt-image-1", "n", "1"),
    ("gpt-image-1", "n", True),
    ("gpt-image-1", "n", 1.0),
    ("gpt-image-1", "output_format", ABSENT),
    ("gpt-image-1", "output_format", "jpg"),
    ("gpt-image-1", "size", "auto"),
    ("gpt-image-1", "size", "1792x1024"),
    ("gpt-image-1", "quality", "auto"),
    ("gpt-image-1", "quality", "hd"),
    ("gpt-image-1", "response_format", "b64_json"),
    ("gpt-image-1", "output_compression", 50),
    ("gpt-image-1", "input_fidelity", "high"),
    ("gpt-image-1", "prompt", "x" * 32_001),
    ("gpt-image-1", "prompt", ""),
    ("gpt-image-1", "prompt", ABSENT),
    ("gpt-image-1", "image", ""),
    ("gpt-image-1", "image", []),
    ("gpt-image-1", "image", "bm90IGFuIGltYWdl"),
    ("gpt-image-1", "image", "data:image/png;base64,####"),
    ("gpt-image-1", "image", "data:text/plain;base64," + PNG),
    ("gpt-image-1", "stream", False),
    ("dall-e-3", "n", ABSENT),
    ("dall-e-3", "n", 2),
    ("dall-e-3", "quality", "high"),
    ("dall-e-3", "response_format", "url"),
    ("dall-e-3", "prompt", "x" * 4001),
    ("dall-e-3", "image", LINK),
    (IMAGEN, "numberOfImages", ABSENT),
    (IMAGEN, "numberOfImages", 5),
    (IMAGEN, "sampleCount", 1),
    (IMAGEN, "n", 1),
    (IMAGEN, "aspectRatio", "3:2"),
    (IMAGEN, "aspect_ratio", "1:1"),
    (IMAGEN, "outputOptions", {"mimeType": "image/webp"}),
    (IMAGEN, "outputOptions", {"compressionQuality": 50}),
    (IMAGEN, "outputOptions", {"quality": 50}),
    (IMAGEN, "prompt", "fox " * 481),
    (IMAGEN, "image", LINK),
    ("imagen-4.0-ultra-generate-001", "numberOfImages", 2),
    ("imagen-4.0-fast-generate-001", "sampleImageSize", "1K"),
    ("imagen-3.0-generate-002", "sampleImageSize", "2K"),
    ("flux-kontext-max", "aspect_ratio", ABSENT),
    ("flux-kontext-max", "aspect_ratio", "22:9"),
    ("flux-kontext-max", "aspect_ratio", "1x1"),
    ("flux-kontext-max", "aspect_ratio", "0:1"),
    ("flux-kontext-max", "safety_tolerance", 7),
    ("flux-kontext-max", "input_image", DATA_URL),
    ("flux-kontext-max", "n", 1),
    ("flux-kontext-max", "webhook_url", LINK),
    ("flux-kontext-max", "seed", None),
    ("flux-kontext-pro", "input_image", LINK),
    ("FLUX.1-Kontext-pro", "n", 1),
    ("FLUX.1-Kontext-pro", "size", "1024x1024"),
    ("FLUX-1.1-pro", "safety_tolerance", -1),
    ("FLUX-1.1-pro", "input", {}),
    ("Qwen-Image", "n", ABSENT),
    ("Qwen-Image", "n", 2),
    ("Qwen-Image", "watermark", ABSENT),
    ("Qwen-Image", "watermark", "false"),
    ("Qwen-Image", "watermark", 0),
    ("Qwen-Image", "size", "511x1024"),
    ("Qwen-Image", "size", "1024*1024"),
    ("Qwen-Image", "guidance", 21),
    ("Qwen-Image", "refer_image", ""),
    ("Qwen-Image", "refer_image", [LINK]),
    ("Qwen-Image", "image", LINK),
    ("Qwen-Image", "prompt", "x" * 801),
    ("Qwen-Image", "user", "u"),
    ("Qwen-Image-Edit", "refer_image", ABSENT),
    ("Qwen-Image-Edit", "refer_image", [LINK] * 4),
    ("Qwen-Image-Edit", "n", 1),
    ("Qwen-Image-Edit", "image", LINK),
    ("irag-1.0", "n", ABSENT),
    ("irag-1.0", "n", 5),
    ("irag-1.0", "prompt", "x" * 221),
    ("irag-1.0", "refer_image", LINK + "?" + "x" * 1024),
    ("irag-1.0", "refer_image", PNG),
    ("irag-1.0", "refer_image", SMALL_PNG_URL),
    ("irag-1.0", "refer_image", NARROW_PNG_URL),
    ("ernie-irag-edit", "refer_image", ABSENT),
    ("ernie-irag-edit", "refer_image", [LINK]),
    ("ernie-irag-edit", "feature", "erase"),
    ("ernie-irag-edit", "watermark", ABSENT),
    *((SEEDREAM, key, ABSENT) for key in MODELS[SEEDREAM][1]),
    (SEEDREAM, "size", "1279x720"),
    (SEEDREAM, "size", "auto"),
    (SEEDREAM, "size", "8192x500"),
    (SEEDREAM, "sequential_image_generation", "auto"),
    (SEEDREAM, "stream", True),
    (SEEDREAM, "response_format", "b64_json"),
    (SEEDREAM, "image", [LINK] * 11),
    (SEEDREAM, "n", 1),
    (SEEDREAM, "seed", -2),
    ("V3", "aspect_ratio", "2:1"),
    ("V3", "resolution", "1000x1000"),
    ("V3", "rendering_speed", "quality"),
    ("V3", "num_images", 1),
    ("V3", "image", LINK),
    (SD, "n", ABSENT),
    (SD, "n", 2),
    (SD, "aspect_ratio", "4:3"),
    (SD, "size", "1024x1024"),
    (SD, "seed", 4294967295),
    (SD, "prompt", "x" * 10_001),
]

CONFLICTS = [
    ("gpt-image-1", "moderation", {"image": LINK, "moderation": "low"}),
    ("gpt-image-1", "background", {"background": "transparent", "output_format": "jpeg"}),
    ("flux-kontext-max", "safety_tolerance", {"input_image": LINK, "safety_tolerance": 3}),
    ("V3", "aspect_ratio", {"aspect_ratio": "1x1", "resolution": "1024x1024"}),
]


@pytest.mark.parametrize("model", MODELS)
def test_the_least_input_is_taken(sandbox, model):
    """Every model of the document answers its least valid call and bills one image."""
    assert buy(sandbox, model).status_code == 200
    assert sandbox.stats().models[model].images == 1


@pytest.mark.parametrize(("model", "more"), TAKEN)
def test_documented_parameters_are_taken(sandbox, model, more):
    """What the document or the provider's reference shows is accepted."""
    reply = buy(sandbox, model, **more)
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(("model", "key", "value"), REFUSED)
def test_everything_else_is_refused(sandbox, model, key, value):
    """A wrong, missing or unknown parameter is a 400 that names it and costs nothing."""
    reply = buy(sandbox, model, without=[key]) if value is ABSENT else buy(sandbox, model, **{key: value})
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] == key
    assert sandbox.stats().paid_calls == 0


@pytest.mark.parametrize(("model", "key", "more"), CONFLICTS)
def test_contradicting_parameters_are_refused(sandbox, model, key, more):
    """Parameters that exclude each other are a 400, although each alone is right."""
    reply = buy(sandbox, model, **more)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] == key


@pytest.mark.parametrize("model", MODELS)
def test_every_model_refuses_an_unknown_parameter(sandbox, model):
    """No model lets an unknown parameter pass."""
    reply = buy(sandbox, model, colour="red")
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "colour"

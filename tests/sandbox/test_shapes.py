"""Each model answers in its own shape, with pictures of the right size and encoding."""

import base64
import io

import httpx
import pytest
from PIL import Image

from gateway.sandbox.shapes import SHAPES
from tests.support.sandbox_calls import LINK, buy


def _decoded(encoded):
    with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as image:
        image.load()
        return image.format, image.size


def _downloaded(url):
    reply = httpx.get(url)
    assert reply.status_code == 200, reply.text
    with Image.open(io.BytesIO(reply.content)) as image:
        image.load()
        assert reply.headers["content-type"] == f"image/{image.format.lower()}"
        return image.format, image.size


def test_openai_answers_an_object_with_usage(sandbox):
    """gpt-image-1: base64 under `bytesBase64`, a bare `png` as type, and OpenAI's token counts."""
    answer = buy(sandbox, "gpt-image-1", n=2, size="1536x1024", quality="low", output_format="webp").json()
    images = answer["output"]["b64_json"]
    assert [one["mimeType"] for one in images] == ["webp", "webp"]
    assert {_decoded(one["bytesBase64"]) for one in images} == {("WEBP", (1536, 1024))}
    assert answer["output"]["urls"] == []
    assert answer["usage"]["output_tokens"] == 800
    assert answer["usage"]["total_tokens"] == answer["usage"]["input_tokens"] + 800


def test_openai_counts_the_tokens_of_reference_images(sandbox):
    """A reference image is paid for as input."""
    usage = buy(sandbox, "gpt-image-1", image=[LINK, LINK]).json()["usage"]
    assert usage["input_tokens_details"]["image_tokens"] == 646


def test_dalle_answers_an_object_with_urls(sandbox):
    """dall-e-3: links, each with the prompt that it was really drawn from."""
    (one,) = buy(sandbox, "dall-e-3", size="1792x1024").json()["output"]["urls"]
    assert _downloaded(one["url"]) == ("PNG", (1792, 1024))
    assert one["revised_prompt"].startswith("a fox")


def test_imagen_answers_an_array_of_base64(sandbox):
    """Imagen: as many items as asked for, in the asked-for encoding, the type in both spellings."""
    given = {"numberOfImages": 2, "aspectRatio": "16:9", "outputOptions": {"mimeType": "image/jpeg"}}
    output = buy(sandbox, "imagen-3.0-generate-002", **given).json()["output"]
    assert {one["mimeType"] for one in output} == {"jpeg", "image/jpeg"}
    assert {_decoded(one["bytesBase64"]) for one in output} == {("JPEG", (1368, 768))}


def test_one_step_answers_like_openai(sandbox):
    """The one-step route: `data[].b64_json`."""
    answer = buy(sandbox, "FLUX-1.1-pro", aspect_ratio="9:16").json()
    assert _decoded(answer["data"][0]["b64_json"]) == ("PNG", (768, 1368))


@pytest.mark.parametrize(
    ("model", "more", "expected"),
    [
        ("Qwen-Image", {"size": "1664x928"}, ("PNG", (1664, 928))),
        ("irag-1.0", {}, ("PNG", (1024, 1024))),
        ("ernie-irag-edit", {}, ("PNG", (1024, 1024))),
        ("doubao-seedream-4-0-250828", {"size": "2K"}, ("JPEG", (2048, 2048))),
    ],
)
def test_baidu_and_seedream_answer_an_array_of_urls(sandbox, model, more, expected):
    """Qwen, iRAG and Seedream: `output[].url`."""
    output = buy(sandbox, model, **more).json()["output"]
    assert [_downloaded(one["url"]) for one in output] == [expected]


def test_ideogram_answers_with_the_magic_prompt(sandbox):
    """Ideogram: a link, the rewritten prompt, the resolution and the safety verdict."""
    (one,) = buy(sandbox, "V3", resolution="1248x832").json()["output"]
    assert _downloaded(one["url"]) == ("PNG", (1248, 832))
    assert (one["resolution"], one["is_image_safe"]) == ("1248x832", True)
    assert one["prompt"] != "a fox"


def test_stability_answers_an_object_with_images(sandbox):
    """Stable Diffusion: plain base64 strings, with reasons and seeds beside."""
    output = buy(sandbox, "Stable-Diffusion-3-5-Large", output_format="jpeg", seed=5).json()["output"]
    assert _decoded(output["images"][0]) == ("JPEG", (1024, 1024))
    assert (output["finish_reasons"], output["seeds"]) == ([None], [5])


def test_every_form_drill_gives_a_picture(sandbox):
    """Each odd form holds a picture: a link that downloads, base64, a data URL, or the body itself."""
    for form in (name for name in SHAPES if name.startswith("form-")):
        reply = buy(sandbox, "gpt-image-1", prompt=f"[[sandbox:{form}]]")
        if reply.headers["content-type"] == "image/png":
            found = reply.content
        else:
            found = _fetched(next(_strings(reply.json())))
        assert found.startswith(b"\x89PNG"), form


def _strings(value):
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, str):
        yield value
    elif not isinstance(value, int):
        for inner in value:
            yield from _strings(inner)


def _fetched(found):
    if found.startswith("http://"):
        return httpx.get(found).content
    return base64.b64decode(found.partition(",")[2] or found, validate=True)

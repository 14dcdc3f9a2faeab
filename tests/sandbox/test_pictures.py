"""The pictures are real, right in size and encoding, and no two are alike."""

import io

import pytest
from PIL import Image

from gateway.sandbox.pictures import Picture, draw


def _picture(serial=1, **changes):
    described = {"model": "V3", "prompt": "a fox", "width": 640, "height": 480, "encoding": "png"}
    return Picture(serial=serial, **{**described, **changes})


@pytest.mark.parametrize("encoding", ["png", "jpeg", "webp"])
def test_a_picture_decodes(encoding):
    """The bytes are an image of the asked-for encoding and size."""
    with Image.open(io.BytesIO(draw(_picture(encoding=encoding)))) as image:
        image.load()
        assert (image.format, image.size) == (encoding.upper(), (640, 480))


def test_no_two_are_alike():
    """The serial number alone makes another picture, and the same recipe makes the same one."""
    drawn = {draw(_picture(serial)) for serial in range(1, 20)}
    assert len(drawn) == 19
    assert draw(_picture(7)) in drawn


def test_each_has_a_colour_of_its_own():
    """The bottom right corner, where no letters stand."""
    corners = set()
    for serial in range(1, 20):
        with Image.open(io.BytesIO(draw(_picture(serial)))) as image:
            corners.add(image.getpixel((639, 479)))
    assert len(corners) == 19


@pytest.mark.parametrize("change", [{"prompt": "a hare"}, {"model": "V4"}])
def test_prompt_and_model_are_written_on_it(change):
    """Prompt and model are to be seen in the picture."""
    assert draw(_picture()) != draw(_picture(**change))


def test_a_transparent_picture_has_clear_pixels():
    """A transparent background is transparent."""
    with Image.open(io.BytesIO(draw(_picture(transparent=True)))) as image:
        assert image.getpixel((639, 479))[3] == 0


def test_quality_changes_the_length():
    """A lower JPEG quality makes a shorter file."""
    assert len(draw(_picture(encoding="jpeg", quality=10))) < len(draw(_picture(encoding="jpeg", quality=95)))


def test_a_mislabelled_picture_lies_about_its_encoding():
    """The label is another than the bytes."""
    picture = _picture().mislabelled()
    assert picture.media_type == "image/jpeg"
    assert draw(picture).startswith(b"\x89PNG")


async def test_drawing_off_the_loop_gives_the_same_bytes():
    """`bytes()` is `draw()` elsewhere."""
    assert await _picture().bytes() == draw(_picture())

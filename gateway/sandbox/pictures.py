"""Real pictures, each unlike any other: model, serial number and prompt in letters on a colour of its own."""

import asyncio
import colorsys
import io
import textwrap
from dataclasses import dataclass, replace
from functools import cache

from PIL import Image, ImageDraw, ImageFont, ImageOps

_GOLDEN_RATIO = 0.618034  # steps of it around the colour wheel never meet again


@dataclass(frozen=True, slots=True)
class Picture:
    """The recipe of a picture: little to keep, and the same bytes each time it is drawn."""

    serial: int
    model: str
    prompt: str
    width: int
    height: int
    encoding: str  # png, jpeg or webp
    quality: int = 90
    transparent: bool = False
    label: str = ""  # the encoding it claims, where that is not the true one
    bogus: bool = False

    @property
    def extension(self) -> str:
        """The encoding that it claims to have."""
        return self.label or self.encoding

    @property
    def media_type(self) -> str:
        """The media type that it claims to have."""
        return f"image/{self.extension}"

    def mislabelled(self) -> "Picture":
        """Put the same picture under a wrong label."""
        return replace(self, label="jpeg" if self.encoding == "png" else "png")

    async def bytes(self) -> bytes:
        """Draw and encode it off the event loop."""
        return await asyncio.to_thread(draw, self)


def draw(picture: Picture) -> bytes:
    """Draw and encode a picture."""
    if picture.bogus:
        return b"<html><body>This is no picture.</body></html>"
    # All columns of a gradient are alike: to draw one and repeat it takes a tenth of the time.
    column = ImageOps.colorize(Image.linear_gradient("L").resize((1, picture.height)), *_colours(picture.serial))
    image = column.resize((picture.width, picture.height), Image.Resampling.NEAREST)
    if picture.transparent:
        image.putalpha(0)
    _write(image, picture)
    return _encode(image, picture)


def _colours(serial: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    def colour(hue: float, light: float) -> tuple[int, int, int]:
        red, green, blue = colorsys.hls_to_rgb(hue % 1, light, 0.6)
        return round(red * 255), round(green * 255), round(blue * 255)

    hue = serial * _GOLDEN_RATIO
    return colour(hue, 0.45), colour(hue + 0.1, 0.2)


def _write(image: Image.Image, picture: Picture) -> None:
    height = max(12, min(image.size) // 20)
    prompt = textwrap.fill(textwrap.shorten(picture.prompt, 160, placeholder=" ..."), 32)
    words = f"{picture.model}\nNo. {picture.serial}\n\n{prompt}"
    # The band under the letters keeps them legible where the picture itself is transparent.
    pen = ImageDraw.Draw(image)
    box = pen.multiline_textbbox((height, height), words, font=_font(height))
    pen.rectangle((0, 0, box[2] + height, box[3] + height), fill=(20, 20, 30))
    pen.multiline_text((height, height), words, font=_font(height), fill=(255, 255, 255))


@cache
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)


def _encode(image: Image.Image, picture: Picture) -> bytes:
    target = io.BytesIO()
    if picture.encoding == "png":
        image.save(target, "PNG", compress_level=1)
    elif picture.encoding == "jpeg":
        image.save(target, "JPEG", quality=max(1, picture.quality))
    else:
        image.save(target, "WEBP", quality=picture.quality, method=0)
    return target.getvalue()

"""Image bytes: what they really are, and in another encoding where that was asked for."""

import asyncio
import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from gateway.errors import UpstreamFailed
from gateway.generation.plan import Encoding

Format = Literal["png", "jpeg", "webp", "gif"]

EXTENSIONS: dict[Format, str] = {"png": "png", "jpeg": "jpg", "webp": "webp", "gif": "gif"}
MEDIA_TYPES: dict[str, str] = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
_FORMATS: dict[str | None, Format] = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp", "GIF": "gif"}
_DEFAULT_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as it is delivered; everything but the prompt is read from the bytes. Sizes are in pixels."""

    data: bytes
    format: Format
    width: int
    height: int
    has_alpha: bool
    revised_prompt: str | None = None


class Pictures:
    """Looks at pictures and re-encodes them, off the event loop, `threads` at a time.

    `max_pixels` bounds what is decoded: a few bytes can claim to be a picture of terabytes.
    """

    def __init__(self, *, threads: int, max_pixels: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
        self._max_pixels = max_pixels

    def inspect(self, data: bytes, revised_prompt: str | None = None) -> Picture:
        """Read a picture's header.

        Raises:
            UpstreamFailed: the bytes are no picture.

        """
        try:
            with _open(data) as image:
                return Picture(data, _FORMATS[image.format], *image.size, _has_alpha(image), revised_prompt)
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
            raise UpstreamFailed(
                "Upstream delivered bytes that are no picture. It may have been charged all the same; the request is "
                "not sent again."
            ) from error

    async def encode(self, picture: Picture, encoding: Encoding) -> Picture:
        """Give a picture the encoding that was asked for; unchanged where it has it already.

        Raises:
            UpstreamFailed: the picture is broken, or too large to decode.

        """
        same_format = encoding.format in {None, picture.format}
        if same_format and encoding.compression is None:
            return picture
        if picture.width * picture.height > self._max_pixels:
            raise UpstreamFailed(
                f"The picture has {picture.width}x{picture.height} pixels, too many to be re-encoded as "
                f"{encoding.format}. Ask without 'output_format' to get it as it is."
            )
        loop = asyncio.get_running_loop()
        try:
            data = await loop.run_in_executor(self._pool, _encode, picture.data, encoding)
        except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
            raise UpstreamFailed("Upstream delivered a broken picture that cannot be re-encoded.") from error
        return self.inspect(data, picture.revised_prompt)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _open(data: bytes) -> Pillow.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # max_pixels is our own limit
        return Pillow.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP", "GIF"])


def _has_alpha(image: Pillow.Image) -> bool:
    return image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info


def _encode(data: bytes, encoding: Encoding) -> bytes:
    out = io.BytesIO()
    with _open(data) as image:
        profile = {"icc_profile": image.info["icc_profile"]} if "icc_profile" in image.info else {}
        if encoding.format == "png":
            image.save(out, "PNG", compress_level=6, **profile)
        elif encoding.format == "webp":
            quality = _DEFAULT_QUALITY if encoding.compression is None else encoding.compression
            _plain(image, keep_alpha=True).save(out, "WEBP", quality=quality, method=4, **profile)
        else:
            quality = _DEFAULT_QUALITY if encoding.compression is None else encoding.compression
            _plain(image, keep_alpha=False).save(out, "JPEG", quality=quality, **profile)
    return out.getvalue()


def _plain(image: Pillow.Image, *, keep_alpha: bool) -> Pillow.Image:
    """Bring any mode to RGB or RGBA; where alpha must go, onto white."""
    if not _has_alpha(image):
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    if keep_alpha:
        return rgba
    white = Pillow.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB")

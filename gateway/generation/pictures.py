"""Image bytes: what they really are, and in another encoding where that was asked for."""

import asyncio
import hashlib
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from PIL import Image as Pillow

from gateway.errors import UpstreamFailed
from gateway.generation.plan import Encoding

Format = Literal["png", "jpeg", "webp", "gif"]

EXTENSIONS: dict[Format, str] = {"png": "png", "jpeg": "jpg", "webp": "webp", "gif": "gif"}
MEDIA_TYPES: dict[str, str] = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
# MPO is a JPEG that holds more than one picture, the first of which every viewer shows.
_FORMATS: dict[str | None, Format] = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp", "GIF": "gif"}
_DEFAULT_QUALITY = 95
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)  # what Pillow finds bad files with
_ORIENTATION = 0x0112
_TURNS: dict[Any, Pillow.Transpose] = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}

Pillow.MAX_IMAGE_PIXELS = None  # `max_pixels` is the limit, and is checked before a pixel is decoded


class NoPicture(UpstreamFailed):
    """Upstream delivered bytes that are no whole picture."""


@dataclass(frozen=True)
class Picture:
    """One picture as it is delivered; everything but the prompt is read from the bytes. Sizes are in pixels."""

    data: bytes
    format: Format
    width: int
    height: int
    has_alpha: bool
    revised_prompt: str | None = None

    @cached_property
    def sha256(self) -> str:
        """The name under which the bytes are kept, in hex."""
        return hashlib.sha256(self.data).hexdigest()


class Pictures:
    """Looks at pictures and re-encodes them, off the event loop, `threads` at a time.

    `max_pixels` bounds what is delivered: a few bytes can claim to be a picture of terabytes.
    """

    def __init__(self, *, threads: int, max_pixels: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
        self._max_pixels = max_pixels

    async def read(self, data: bytes, revised_prompt: str | None = None) -> Picture:
        """Read a picture's header, and make sure that its end is there; what lies between is not decoded.

        Raises:
            NoPicture: the bytes are no picture, are cut off, or claim more pixels than `max_pixels`.

        """
        picture = self._inspect(data, revised_prompt)
        if not _has_end(picture):
            await self._in_a_thread(_decode, data)  # rather deliver an odd file than lose one that opens
        return picture

    async def encode(self, picture: Picture, encoding: Encoding) -> Picture:
        """Give a picture the encoding that was asked for; unchanged where it has it already.

        Of an animation the first frame is taken. A colour profile is kept, a rotation that was only noted in the
        metadata is carried out, and where transparency must go it goes onto white.

        Raises:
            NoPicture: the picture is broken.

        """
        wanted = encoding.format or picture.format
        compressed = encoding.compression in {None, 100} or encoding.compressed_upstream
        if wanted == picture.format and compressed:
            return picture
        data = await self._in_a_thread(_encode, picture.data, wanted, encoding.compression)
        return self._inspect(data, picture.revised_prompt)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _inspect(self, data: bytes, revised_prompt: str | None) -> Picture:
        try:
            with _open(data) as image:
                kind, (width, height), has_alpha = _FORMATS[image.format], image.size, _has_alpha(image)
        except BROKEN as error:
            raise _no_picture("bytes that are no picture") from error
        if width * height > self._max_pixels:
            raise _no_picture(f"a picture of {width}x{height} pixels; at most {self._max_pixels} are taken")
        return Picture(data, kind, width, height, has_alpha, revised_prompt)

    async def _in_a_thread(self, work: Any, *args: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        except BROKEN as error:
            raise _no_picture("a broken or cut-off picture") from error


def _no_picture(what: str) -> NoPicture:
    return NoPicture(f"Upstream delivered {what}. It may have been charged all the same; it is not asked for again.")


def _open(data: bytes) -> Pillow.Image:
    return Pillow.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP", "GIF"])


def _has_end(picture: Picture) -> bool:
    """Tell whether the format's last bytes are there; a "no" may be mistaken, and decoding then settles it."""
    data = picture.data
    match picture.format:
        case "png":
            return b"IEND\xaeB`\x82" in data[-4096:]
        case "jpeg":
            return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")  # the end of image behind the last start of scan
        case "webp":
            return len(data) >= 8 + int.from_bytes(data[4:8], "little")
        case "gif":
            return data.endswith(b";")


def _has_alpha(image: Pillow.Image) -> bool:
    return image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info


def _decode(data: bytes) -> None:
    with _open(data) as image:
        image.load()


def _encode(data: bytes, wanted: Format, compression: int | None) -> bytes:
    quality = _DEFAULT_QUALITY if compression is None else compression
    options: dict[str, Any] = {
        "png": {"compress_level": 6},
        "jpeg": {"quality": quality},
        "webp": {"quality": quality, "method": 4},
    }[wanted]
    out = io.BytesIO()
    with _open(data) as image:
        profile: bytes = image.info.get("icc_profile") or b""
        if profile[16:20] == b"RGB ":  # one for ink or grey says nothing about the colours that are written here
            options["icc_profile"] = profile
        plain = _plain(_upright(image), keep_alpha=wanted != "jpeg")
        plain.info = {}  # transparency has become a channel, and a comment may quote the prompt
        plain.save(out, wanted, **options)
    return out.getvalue()


def shrunk(data: bytes, side: int) -> bytes:
    """Make a JPEG of at most `side` pixels each way; raises one of BROKEN."""
    out = io.BytesIO()
    with _open(data) as image:
        image.draft("RGB", (side, side))  # a large JPEG is decoded at a fraction of its size
        plain = _plain(_upright(image), keep_alpha=False)
        plain.info = {}
        plain.thumbnail((side, side))
        plain.save(out, "jpeg", quality=80)
    return out.getvalue()


def _upright(image: Pillow.Image) -> Pillow.Image:
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION))
    except BROKEN:
        return image  # its metadata are broken, the picture is not
    return image if turn is None else image.transpose(turn)


def _plain(image: Pillow.Image, *, keep_alpha: bool) -> Pillow.Image:
    """Bring any mode to RGB or RGBA; where alpha must go, onto white."""
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip instead of scaling them
        image = image.convert("I").point(lambda level: level * (1 / 256)).convert("L")
    if not _has_alpha(image):
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    if keep_alpha:
        return rgba
    white = Pillow.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB")

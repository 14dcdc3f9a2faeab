"""What the bytes are, whatever their label says, and bringing them into another encoding."""

import asyncio
import io
import struct
import warnings
import zlib

import pytest
from PIL import Image, ImageCms

from gateway.generation.pictures import EXTENSIONS, MEDIA_TYPES, NoPicture, Pictures
from gateway.generation.plan import Encoding
from tests.support.generation import drawn

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 0x0112


@pytest.fixture
def pictures():
    made = Pictures(threads=2, max_pixels=1_000_000)
    yield made
    made.close()


async def encoded(pictures, data, **wanted):
    """Read and encode; gives the picture and what Pillow makes of its bytes."""
    picture = await pictures.encode(await pictures.read(data), Encoding(**wanted))
    opened = Image.open(io.BytesIO(picture.data))
    opened.load()
    return picture, opened


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def claiming(width, height):
    """Make a PNG of a few bytes that claims to be so large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    blank = zlib.compress(b"\0" * 64)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", blank) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "mode", "expected"),
    [
        ("PNG", "RGB", ("png", False)),
        ("PNG", "RGBA", ("png", True)),
        ("PNG", "LA", ("png", True)),
        ("PNG", "P", ("png", False)),
        ("JPEG", "RGB", ("jpeg", False)),
        ("JPEG", "L", ("jpeg", False)),
        ("WEBP", "RGB", ("webp", False)),
        ("WEBP", "RGBA", ("webp", True)),
        ("GIF", "P", ("gif", False)),
    ],
)
async def test_format_size_and_alpha_are_read_from_the_bytes(pictures, kind, mode, expected):
    """No label is asked: the header tells format, size and transparency, and the bytes are passed on untouched."""
    data = drawn(kind, mode)
    picture = await pictures.read(data, "a redder fox")
    assert (picture.format, picture.has_alpha) == expected
    assert (picture.width, picture.height) == (24, 16)
    assert picture.data is data
    assert picture.revised_prompt == "a redder fox"
    assert MEDIA_TYPES[EXTENSIONS[picture.format]] == f"image/{picture.format}"


async def test_a_palette_with_a_transparent_colour_counts_as_alpha(pictures):
    """Transparency may hide in a chunk of its own."""
    assert (await pictures.read(drawn("PNG", "P", transparency=0))).has_alpha


async def test_a_jpeg_that_holds_several_pictures_is_a_jpeg(pictures):
    """Phones and HDR encoders write MPO, which every viewer shows as the JPEG it begins with."""
    data = drawn("MPO", save_all=True, append_images=[Image.new("RGB", (24, 16), "navy")])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert (await pictures.read(data)).format == "jpeg"
    assert (await encoded(pictures, data, format="png"))[1].format == "PNG"


NO_PICTURES = {
    "empty": b"",
    "text": b"<html>gone</html>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "magic only": b"\x89PNG\r\n\x1a\n",
    "bmp": drawn("BMP"),
    "tiff": drawn("TIFF"),
    "pdf": drawn("PDF"),
    "json": b'{"b64_json": "AAAA"}',
}


@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES)
async def test_bytes_that_are_no_picture_are_refused(pictures, data):
    """Only the four formats that clients can show; anything else is a 502 that invites no second purchase."""
    with pytest.raises(NoPicture) as caught:
        await pictures.read(data)
    assert (caught.value.status, caught.value.should_retry) == (502, False)


CUT = [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("GIF", {})]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize(("kind", "options"), CUT)
async def test_a_picture_that_is_cut_off_is_refused(pictures, kind, options, share):
    """The header is fine, the rest is missing: half a picture is not delivered as if it were whole."""
    data = drawn(kind, size=(300, 200), **options)
    with pytest.raises(NoPicture):
        await pictures.read(data[: int(len(data) * share)])


async def test_a_cut_off_jpeg_is_not_taken_for_whole_by_its_thumbnail(pictures):
    """The end of the thumbnail in the metadata is not the end of the picture."""
    exif = b"Exif\0\0" + drawn("JPEG", size=(8, 8))
    data = drawn("JPEG", size=(300, 200), exif=exif)
    assert data.count(b"\xff\xd9") == 2
    assert (await pictures.read(data)).width == 300
    with pytest.raises(NoPicture):
        await pictures.read(data[: len(data) * 2 // 3])


@pytest.mark.parametrize(("kind", "options"), CUT)
async def test_what_stands_behind_a_picture_does_no_harm(pictures, kind, options):
    """Bytes behind the end, as some encoders leave them, lose nobody a paid picture."""
    data = drawn(kind, **options) + b"\0 trailing junk " * 1000
    assert (await pictures.read(data)).data is data


async def test_an_odd_end_that_still_opens_is_delivered(pictures):
    """A PNG without its last chunk opens everywhere: decoding settles the doubt in its favour."""
    assert await pictures.read(drawn("PNG")[:-12])


@pytest.mark.parametrize("size", [(60_000, 60_000), (1_001, 1_000), (2**31 - 1, 1)])
async def test_a_claim_of_too_many_pixels_is_refused_unopened(pictures, size):
    """A few bytes that claim to be terabytes: refused from the header, with the claim and the limit."""
    with pytest.raises(NoPicture, match=r"{}x{}.*1000000".format(*size)):
        await pictures.read(claiming(*size))


async def test_the_limit_itself_is_allowed():
    """`max_pixels` is inclusive, and alone decides: Pillow's own lower limit neither warns nor refuses."""
    made = Pictures(threads=1, max_pixels=30_000 * 10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (await made.read(claiming(30_000, 10_000))).width == 30_000
    made.close()


@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_every_format_becomes_every_other(pictures, kind, wanted):
    """Four formats in, three out; the size stays, the picture looks the same."""
    data = drawn(kind)
    picture, opened = await encoded(pictures, data, format=wanted)
    assert (picture.format, opened.format) == (wanted, wanted.upper())
    assert opened.size == (24, 16) == (picture.width, picture.height)
    before = Image.open(io.BytesIO(data)).convert("RGB")
    assert difference(before, opened.convert("RGB")) < 6


def difference(one, other):
    """Mean distance of two pictures' channels, 0 to 255."""
    pairs = list(zip(one.tobytes(), other.tobytes(), strict=True))
    return sum(abs(a - b) for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("wanted", [None, "png"])
async def test_what_has_the_right_format_is_not_touched(pictures, wanted):
    """No re-encoding where none is needed: metadata, profile and every byte stay."""
    picture = await pictures.read(drawn("PNG"))
    assert await pictures.encode(picture, Encoding(wanted)) is picture


MODES = [
    ("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "I;16"), ("JPEG", "L"),
    ("JPEG", "CMYK"), ("WEBP", "RGBA"), ("GIF", "L"),
]  # fmt: skip


@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(("kind", "mode"), MODES)
async def test_every_mode_can_be_encoded(pictures, kind, mode, wanted):
    """One bit, grey, palette, alpha, 16 bits, CMYK: all come out as the same picture in plain colours."""
    if kind.lower() == wanted:
        wanted = "webp" if wanted == "png" else "png"
    if mode == "I;16":
        grey = Image.linear_gradient("L").resize((24, 16))
        out = io.BytesIO()
        Image.frombytes("I;16", grey.size, b"".join(bytes([v, v]) for v in grey.tobytes())).save(out, "PNG")
        data, before = out.getvalue(), grey.convert("RGBA")
    else:
        data = drawn(kind, mode)
        before = Image.open(io.BytesIO(data)).convert("RGBA")
    if wanted == "jpeg":
        before = Image.alpha_composite(Image.new("RGBA", before.size, "white"), before)
    _, opened = await encoded(pictures, data, format=wanted)
    assert opened.mode in {"RGB", "RGBA"}
    assert difference(before.convert("RGB"), opened.convert("RGB")) < 8


async def test_transparency_goes_onto_white_in_a_jpeg(pictures):
    """JPEG knows no transparency: what was see-through becomes white, not black."""
    out = io.BytesIO()
    Image.new("RGBA", (24, 16), (255, 0, 0, 0)).save(out, "PNG")
    picture, opened = await encoded(pictures, out.getvalue(), format="jpeg")
    assert min(opened.getpixel((5, 5))) > 250
    assert not picture.has_alpha


@pytest.mark.parametrize("wanted", ["webp", "png"])
async def test_transparency_survives_where_the_format_has_it(pictures, wanted):
    """Alpha, also that of a palette, is kept between PNG, WebP and GIF."""
    out = io.BytesIO()
    Image.new("P", (24, 16), 0).save(out, "GIF", transparency=0)
    picture, opened = await encoded(pictures, out.getvalue(), format=wanted)
    assert picture.has_alpha
    assert opened.convert("RGBA").getpixel((5, 5))[3] == 0


@pytest.mark.parametrize("wanted", ["png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_rotation_noted_in_the_metadata_is_carried_out(pictures, orientation, wanted):
    """Every viewer turns a JPEG as its EXIF says; re-encoded without EXIF it must stand upright by itself."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # Image.Transpose, by its numbers
    data = drawn("JPEG", exif=exif, quality=95)
    upright = Image.open(io.BytesIO(data))
    upright = upright if turn is None else upright.transpose(turn)
    picture, opened = await encoded(pictures, data, format=wanted)
    assert (picture.width, picture.height) == upright.size
    assert difference(upright.convert("RGB"), opened.convert("RGB")) < 6
    assert opened.getexif().get(ORIENTATION, 1) == 1


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff" + b"\0" * 7])
async def test_broken_metadata_do_not_cost_the_picture(pictures, exif):
    """EXIF that cannot be read is left aside."""
    picture, _ = await encoded(pictures, drawn("JPEG", exif=exif, dpi=(72, 72)), format="png")
    assert picture.format == "png"


async def test_a_rotation_among_broken_metadata_is_still_carried_out(pictures):
    """One entry of the EXIF is broken, the rotation is not: it counts."""
    entries = struct.pack("<HHII", ORIENTATION, 3, 1, 6) + struct.pack("<HHII", 0x0103, 2, 4, 0x61626364)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + b"\0\0\0\0"
    picture, _ = await encoded(pictures, drawn("JPEG", exif=exif), format="png")
    assert (picture.width, picture.height) == (16, 24)


@pytest.mark.parametrize(("kind", "wanted"), [("PNG", "jpeg"), ("JPEG", "webp"), ("WEBP", "png")])
async def test_a_colour_profile_is_kept(pictures, kind, wanted):
    """Without its profile, a wide-gamut picture would change its colours silently."""
    _, opened = await encoded(pictures, drawn(kind, icc_profile=SRGB), format=wanted)
    assert opened.info["icc_profile"] == SRGB


async def test_a_profile_for_other_colours_than_those_written_is_dropped(pictures):
    """A grey or ink profile on RGB pixels would be wrong in every viewer."""
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]
    _, opened = await encoded(pictures, drawn("PNG", "L", icc_profile=grey), format="jpeg")
    assert "icc_profile" not in opened.info


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
async def test_of_an_animation_the_first_frame_is_taken(pictures, kind, options):
    """An animation passes untouched; where another encoding is asked for, its first frame is the picture."""
    frames = [Image.new("RGB", (24, 16), color) for color in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=50, **options)
    data = out.getvalue()
    assert (await pictures.encode(await pictures.read(data), Encoding())).data is data
    _, opened = await encoded(pictures, data, format="jpeg")
    assert getattr(opened, "n_frames", 1) == 1
    red, _, blue = opened.getpixel((5, 5))
    assert red > 200
    assert blue < 50


@pytest.mark.parametrize("wanted", ["jpeg", "webp"])
async def test_compression_is_the_encoders_quality(pictures, wanted):
    """As at OpenAI: 0 is the smallest file, 100 the best; also where the format was right already."""
    data = drawn(wanted.upper(), size=(200, 200), quality=95)
    sizes = [len((await encoded(pictures, data, format=wanted, compression=q))[0].data) for q in (0, 30, 60, 90)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_broken_picture_that_must_be_decoded_is_refused(pictures, kind):
    """Header and end are there, the middle is not: found when it is decoded, told as what it is."""
    data = bytearray(drawn(kind, size=(300, 200)))
    middle = slice(len(data) // 3, len(data) // 2)
    data[middle] = b"\xff" * (middle.stop - middle.start)
    picture = await pictures.read(bytes(data))
    wanted = "webp" if kind != "WEBP" else "png"
    with pytest.raises(NoPicture, match="broken"):
        await pictures.encode(picture, Encoding(wanted))


async def test_a_comment_does_not_travel_into_the_new_encoding(pictures):
    """What generators write into comments, prompts among it, is not carried over."""
    _, opened = await encoded(pictures, drawn("GIF", comment=b"a secret prompt"), format="jpeg")
    assert "comment" not in opened.info


async def test_no_more_threads_than_set(pictures):
    """Sixteen pictures at once are encoded by the two threads of the setting."""
    picture = await pictures.read(drawn("PNG", size=(200, 200)))
    await asyncio.gather(*(pictures.encode(picture, Encoding("webp")) for _ in range(16)))
    assert len(pictures._pool._threads) == 2


async def test_the_event_loop_runs_on_while_a_picture_is_encoded(pictures):
    """Encoding half a second's worth of pixels, the loop still turns."""
    encoding = asyncio.ensure_future(
        pictures.encode(await pictures.read(drawn("PNG", size=(1000, 1000))), Encoding("webp"))
    )
    turns = 0
    while not encoding.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert turns > 5
    assert (await encoding).format == "webp"

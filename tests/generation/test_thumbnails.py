import asyncio
import io

import pytest
from PIL import Image

from gateway.generation.archive import Archive
from gateway.generation.pictures import Picture
from gateway.generation.thumbnails import SIDE, Thumbnails
from gateway.store.blobs import Blobs
from gateway.store.replayable import ReplayableResults
from tests.support.books import Books, Clock


@pytest.fixture
async def place(redis_client):
    """Give what makes thumbnails, and what puts a picture into the cache for it."""
    books, archive = Books(redis_client), Archive(Blobs(redis_client), memory_bytes=0)
    thumbnails = Thumbnails(ReplayableResults(redis_client), archive, clock=Clock())

    async def keep(fp, *pictures):
        kept = await archive.keep(list(pictures), None, 600)
        name = await books.lead(fp=fp, shared=True, stores=True, n=len(pictures))
        await books.deliver(name, images=len(pictures), result=kept)

    thumbnails.keep = keep
    yield thumbnails
    thumbnails.close()


def picture(size, kind="PNG", colour="red", mode="RGB"):
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind)
    return Picture(out.getvalue(), kind.lower(), *size, has_alpha=mode == "RGBA")


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("PNG", "RGBA"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("GIF", "P")]
)
async def test_a_picture_becomes_a_small_jpeg_of_its_shape(place, kind, mode):
    await place.keep("f1", picture((800, 400), kind, mode=mode, colour=0 if mode == "P" else "red"))
    small = opened(await place.make("art", "f1"))

    assert ("JPEG", (SIDE, SIDE // 2)) == (small.format, small.size)


async def test_a_small_picture_stays_as_small(place):
    await place.keep("f1", picture((20, 10)))
    assert (20, 10) == opened(await place.make("art", "f1")).size


async def test_of_several_pictures_the_first_is_shown(place):
    await place.keep("f1", picture((9, 9), colour="red"), picture((9, 9), colour="blue"))
    red, _, blue = opened(await place.make("art", "f1")).getpixel((4, 4))
    assert red > 200
    assert blue < 60


async def test_what_is_gone_or_broken_has_no_thumbnail(place, redis_client):
    await place.keep("f1", picture((30, 30)))
    await place.keep("f2", Picture(b"no picture", "png", 1, 1, has_alpha=False))
    await redis_client.delete(f"blob:{picture((30, 30)).sha256}")

    assert [None] * 3 == [await place.make("art", fp) for fp in ("f1", "f2", "f3")]


async def test_a_thumbnail_is_made_once(place, redis_client):
    """It outlives the picture in memory, but not the cache entry, which is what allows it to be seen."""
    await place.keep("f1", picture((30, 30)))
    made = await place.make("art", "f1")
    await redis_client.delete(f"blob:{picture((30, 30)).sha256}")

    assert made == await place.make("art", "f1")
    await redis_client.delete("{art}:cache:f1")
    assert await place.make("art", "f1") is None


async def test_many_at_once_are_made_by_turns(place):
    """However many a page asks for, two pictures at most are in memory."""
    for number in range(12):
        await place.keep(f"f{number}", picture((30 + number, 30)))
    held, most = 0, 0
    fetch = place._archive.first

    async def watched(records):
        nonlocal held, most
        held += 1
        most = max(most, held)
        try:
            return await fetch(records)
        finally:
            held -= 1

    place._archive.first = watched
    assert all(await asyncio.gather(*[place.make("art", f"f{number}") for number in range(12)]))
    assert 2 == most

"""Re-hosted pictures: only who holds the exact signed URL, and only for its life."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.generation.hosting import PREFIX, Hosting
from gateway.generation.pictures import Pictures
from gateway.store.blobs import Blobs
from gateway.store.secrets import Signer
from tests.support.generation import drawn

KEY = b"k" * 32
LIFE_S = 3600


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def hosting_for(redis, clock, key=KEY):
    async def signer():
        return Signer(key)

    return Hosting(Blobs(redis), signer=signer, life_s=LIFE_S, clock=clock)


@pytest.fixture
def hosting(redis_client, clock):
    return hosting_for(redis_client, clock)


async def picture(kind="PNG"):
    pictures = Pictures(threads=1, max_pixels=1_000_000)
    made = await pictures.read(drawn(kind))
    pictures.close()
    return made


def parts(url):
    """Take a published URL apart as the route does: path, expires, signature."""
    split = urlsplit(url)
    query = parse_qs(split.query)
    return split.path, int(query["expires"][0]), query["signature"][0]


async def test_a_published_picture_can_be_opened(hosting):
    """The path leads back to the very bytes."""
    made = await picture()
    assert await hosting.open(*parts(await hosting.publish(made))) == made.data


@pytest.mark.parametrize(("kind", "ending"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".gif")])
async def test_the_extension_is_true_to_the_bytes(hosting, kind, ending):
    """Clients tell the format from the URL's end."""
    path, _, _ = parts(await hosting.publish(await picture(kind)))
    assert path.startswith(PREFIX)
    assert path.endswith(ending)


async def test_a_change_of_any_character_fails(hosting):
    """Path, end and signature: with any one character changed nothing is shown."""
    path, expires, signature = parts(await hosting.publish(await picture()))
    for at in range(len(PREFIX), len(path)):
        assert await hosting.open(other(path, at), expires, signature) is None
    for at in range(len(signature)):
        assert await hosting.open(path, expires, other(signature, at)) is None
    for digit in (-1, 1, 10, 1_000_000):
        assert await hosting.open(path, expires + digit, signature) is None
    for odd in ("", signature[:-1], signature + "=", signature + "A", "é" * 43):
        assert await hosting.open(path, expires, odd) is None
    assert await hosting.open(path, expires, signature) is not None


def other(text, at):
    """Change the character at a place, in its lowest bit where that can be."""
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


async def test_no_bit_of_the_signature_is_spare(hosting):
    """The last base64 letter has two bits that decode to nothing: another letter is another signature all the same."""
    path, expires, signature = parts(await hosting.publish(await picture()))
    twins = [
        letter
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        if base64.urlsafe_b64decode(signature[:-1] + letter + "=") == base64.urlsafe_b64decode(signature + "=")
    ]
    assert len(twins) == 4
    assert [letter for letter in twins if await hosting.open(path, expires, signature[:-1] + letter)] == [signature[-1]]


async def test_a_url_ends_with_its_life(hosting, clock):
    """To the second: open until just before its end, closed from then on."""
    made = parts(await hosting.publish(await picture()))
    assert made[1] == int(clock.now) + LIFE_S
    clock.now += LIFE_S - 1
    assert await hosting.open(*made) is not None
    clock.now += 1
    assert await hosting.open(*made) is None


async def test_another_key_opens_nothing(redis_client, clock, hosting):
    """Whoever signs with another key gets nothing."""
    made = parts(await hosting_for(redis_client, clock, b"x" * 32).publish(await picture()))
    assert await hosting.open(*made) is None


@pytest.mark.parametrize("name", ["", "0" * 64, "..", "nothing", "a" * 64 + "\n"])
async def test_an_unknown_name_is_nothing_even_when_signed(hosting, name):
    """A true signature over a name that no picture has."""
    path, expires = f"{PREFIX}{name}.png", 2_000_000_000
    assert await hosting.open(path, expires, Signer(KEY).sign(path, expires)) is None


async def test_a_picture_that_the_store_has_dropped_is_gone(hosting, redis_client):
    """The URL is good, the bytes are not there any more."""
    made = parts(await hosting.publish(await picture()))
    await redis_client.flushall()
    assert await hosting.open(*made) is None


async def test_the_bytes_live_as_long_as_the_url(hosting, redis_client):
    """Publishing again extends the life of what is there already."""
    made = await picture()
    path, _, _ = parts(await hosting.publish(made))
    name = path.removeprefix(PREFIX).partition(".")[0]
    await redis_client.expire(f"blob:{name}", 10)
    await hosting.publish(made)
    assert LIFE_S - 5 <= await redis_client.ttl(f"blob:{name}") <= LIFE_S

import gzip

import httpx
import pytest

from gateway.upstream.body import TooLarge, read_capped


def response(body, **headers):
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))


async def test_body_up_to_the_limit():
    """A body of exactly the limit is read whole; one byte more is too large."""
    assert await read_capped(response(b"12345"), 5) == b"12345"
    with pytest.raises(TooLarge):
        await read_capped(response(b"123456"), 5)


async def test_limit_counts_decoded_bytes():
    """A small reply that inflates past the limit is too large."""
    bomb = gzip.compress(bytes(1_000_000))
    assert len(bomb) < 2000
    with pytest.raises(TooLarge):
        await read_capped(response(bomb, **{"content-encoding": "gzip"}), 2000)


async def test_reading_stops_at_the_limit():
    """Past the limit nothing more is taken from the network."""
    taken = []

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                taken.append(10)
                yield bytes(10)

    with pytest.raises(TooLarge):
        await read_capped(httpx.Response(200, stream=Endless()), 25)
    assert len(taken) == 3


async def test_single_chunk_is_not_copied():
    """A body that arrives in one piece is handed on as that very piece."""
    body = bytes(1000)
    assert await read_capped(response(body), 1000) is body

"""Pictures in the store and out of it again."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import pytest

from gateway.dialects.base import Usage
from gateway.errors import Unavailable
from gateway.generation.archive import Archive, Gone
from gateway.generation.pictures import Picture
from gateway.store.blobs import Blobs
from tests.support.valkey import gateway_client

NOTHING = 0
PLENTY = 1 << 20


def picture(letter, size=1000, **facts):
    return Picture(letter.encode() * size, "png", 24, 16, **({"has_alpha": False, "revised_prompt": None} | facts))


def listed(*records):
    """Join records as the ledger does."""
    return f"[{','.join(records)}]"


@pytest.fixture
def blobs(redis_client):
    return Blobs(redis_client)


@pytest.mark.parametrize("memory", [NOTHING, PLENTY])
async def test_what_is_kept_comes_back_as_it_was(blobs, memory):
    """All facts of each picture, in order, and the tokens of all parts together; by any worker."""
    archive = Archive(blobs, memory_bytes=memory)
    first = [picture("a", has_alpha=True, revised_prompt="a red fox, in oil"), picture("b")]
    second = [picture("c")]
    records = listed(
        await archive.keep(first, Usage(total_tokens=3, output_tokens=2), 60),
        await archive.keep(second, Usage(total_tokens=4, output_tokens=1), 60),
    )
    for reader in (archive, Archive(blobs, memory_bytes=memory)):
        assert await reader.load(records) == (first + second, Usage(total_tokens=7, output_tokens=3))


async def test_without_tokens_there_is_no_usage(blobs):
    """None is not zero."""
    archive = Archive(blobs, memory_bytes=NOTHING)
    assert await archive.load(listed(await archive.keep([picture("a")], None, 60))) == ([picture("a")], None)


async def test_bytes_live_as_long_as_said(blobs, redis_client):
    """The life is the blob's own."""
    await Archive(blobs, memory_bytes=NOTHING).keep([picture("a")], None, 1000)
    assert 900 < await redis_client.ttl(f"blob:{picture('a').sha256}") <= 1000


async def test_bytes_that_are_gone_are_told(blobs, redis_client):
    """One missing picture of several is enough."""
    archive = Archive(blobs, memory_bytes=NOTHING)
    records = listed(await archive.keep([picture("a"), picture("b")], None, 60))
    await redis_client.delete(f"blob:{picture('b').sha256}")
    with pytest.raises(Gone):
        await archive.load(records)


async def test_memory_answers_for_the_store(blobs, redis_client):
    """What was kept or fetched lately needs no round trip."""
    archive, reader = Archive(blobs, memory_bytes=PLENTY), Archive(blobs, memory_bytes=PLENTY)
    records = listed(await archive.keep([picture("a")], None, 60))
    await reader.load(records)
    await redis_client.flushall()
    for one in (archive, reader):
        assert (await one.load(records))[0] == [picture("a")]


async def test_memory_is_bounded_and_forgets_what_was_used_least(blobs, redis_client):
    """Of three pictures that do not all fit, the one that was not asked for again goes."""
    archive = Archive(blobs, memory_bytes=2500)
    records = {letter: listed(await archive.keep([picture(letter)], None, 60)) for letter in "ab"}
    await archive.load(records["a"])
    records["c"] = listed(await archive.keep([picture("c")], None, 60))
    await redis_client.flushall()
    assert archive._memory._size <= 2500
    for letter in "ac":
        await archive.load(records[letter])
    with pytest.raises(Gone):
        await archive.load(records["b"])


async def test_what_is_too_large_for_memory_pushes_nothing_out(blobs, redis_client):
    """A giant is left to the store."""
    archive = Archive(blobs, memory_bytes=2500)
    small, large = [listed(await archive.keep([p], None, 60)) for p in (picture("a"), picture("b", size=3000))]
    await redis_client.flushall()
    await archive.load(small)
    with pytest.raises(Gone):
        await archive.load(large)


async def test_a_store_that_is_away_keeps_nothing_and_loses_nothing():
    """Keeping gives no record; fetching says that it may still be there, so that nobody buys it again."""
    client = gateway_client("unix:///nowhere")
    archive = Archive(Blobs(client), memory_bytes=PLENTY)
    assert await archive.keep([picture("a")], None, 60) == ""
    elsewhere = f'[{{"pictures":[{{"blob":"{"0" * 64}","format":"png","width":1,"height":1}}]}}]'
    with pytest.raises(Unavailable) as caught:
        await archive.load(elsewhere)
    assert caught.value.code == "redis_unavailable"
    await client.aclose()


async def test_a_large_picture_is_kept_where_no_thread_can_be_had(blobs):
    """It is paid for: then its hash holds up the loop."""

    class Full(ThreadPoolExecutor):
        def submit(self, *_):
            raise RuntimeError("can't start new thread")

    asyncio.get_running_loop().set_default_executor(Full())
    archive, large = Archive(blobs, memory_bytes=NOTHING), picture("a", 3_000_000)
    assert await archive.load(listed(await archive.keep([large], None, 60))) == ([large], None)


@pytest.mark.parametrize(("size", "is_on_loop"), [(1000, True), (3_000_000, False)])
async def test_a_large_picture_is_named_off_the_event_loop(blobs, size, is_on_loop):
    """A hash over megabytes would hold up all other requests; one over little is faster than the way to a thread."""
    named_in = []

    class Watched(Picture):
        @cached_property
        def sha256(self):
            named_in.append(threading.get_ident())
            return Picture.sha256.func(self)

    await Archive(blobs, memory_bytes=NOTHING).keep([Watched(b"a" * size, "png", 24, 16, False)], None, 60)

    assert [thread == threading.get_ident() for thread in named_in] == [is_on_loop]

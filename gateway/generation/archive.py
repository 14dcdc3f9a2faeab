"""Pictures on their way into the store and out of it again, each known by what it is."""

import asyncio
from collections import OrderedDict
from contextlib import suppress

import msgspec

from gateway.dialects.base import Usage
from gateway.generation.delivery import together
from gateway.generation.pictures import Format, Picture
from gateway.store.blobs import Blobs
from gateway.store.connection import RedisTrouble, redis_needed

_LONG = 512 * 1024  # bytes, from which on a hash takes longer than the way to a thread and back


class Gone(Exception):
    """Bytes that a record names are no longer there."""


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    blob: str
    format: Format
    width: int
    height: int
    has_alpha: bool = False
    revised_prompt: str | None = None


class _Part(msgspec.Struct, frozen=True, omit_defaults=True):
    pictures: list[_Kept]
    usage: Usage | None = None


class Archive:
    """Keeps pictures by content, and the last `memory_bytes` of them in this process, too."""

    def __init__(self, blobs: Blobs, *, memory_bytes: int) -> None:
        self._blobs = blobs
        self._memory = _Memory(memory_bytes)

    async def keep(self, pictures: list[Picture], usage: Usage | None, life_s: float) -> str:
        """Store one part's pictures for `life_s` seconds; returns the record of them, "" where the store is away."""
        await together([_name(picture) for picture in pictures])
        try:
            await together([self._blobs.put(picture.sha256, picture.data, life_s) for picture in pictures])
        except RedisTrouble:
            return ""
        kept = []
        for p in pictures:
            self._memory.put(p.sha256, p.data)
            kept.append(_Kept(p.sha256, p.format, p.width, p.height, p.has_alpha, p.revised_prompt))
        return msgspec.json.encode(_Part(kept, usage)).decode()

    async def prolong(self, pictures: list[Picture], life_s: float) -> None:
        """Keep pictures that were loaded for at least `life_s` seconds from now. Raises RedisTrouble."""
        await together([self._blobs.keep(picture.sha256, picture.data, life_s) for picture in pictures])

    async def load(self, records: str) -> tuple[list[Picture], Usage | None]:
        """Fetch the pictures that a list of records names, and the sum of their tokens.

        Raises:
            Gone: some of the bytes are no longer there.
            Unavailable: the store does not answer; asking again costs nothing, buying again would.

        """
        parts = msgspec.json.decode(records, type=list[_Part])
        pictures = await together([self._fetch(kept) for part in parts for kept in part.pictures])
        usages = [part.usage for part in parts if part.usage is not None]
        return pictures, sum(usages, start=Usage()) if usages else None

    async def first(self, records: str) -> Picture:
        """Fetch the first picture that a list of records names; what is replayed to clients stays in memory for it.

        Raises as `load` does.
        """
        kept = msgspec.json.decode(records, type=list[_Part])[0].pictures[0]
        data = self._memory.get(kept.blob) or await self._bytes(kept)
        return _picture(kept, data)

    async def _fetch(self, kept: _Kept) -> Picture:
        data = self._memory.get(kept.blob)
        if data is None:
            data = await self._bytes(kept)
            self._memory.put(kept.blob, data)
        return _picture(kept, data)

    async def _bytes(self, kept: _Kept) -> bytes:
        with redis_needed():
            data = await self._blobs.get(kept.blob)
        if data is None:
            raise Gone
        return data


async def _name(picture: Picture) -> None:
    """Find a picture's name, off the event loop where that takes long; the picture remembers it."""
    if len(picture.data) >= _LONG:
        with suppress(RuntimeError):  # no thread can be had: it is named all the same, where it is asked for
            await asyncio.to_thread(lambda: picture.sha256)


def _picture(kept: _Kept, data: bytes) -> Picture:
    return Picture(data, kept.format, kept.width, kept.height, kept.has_alpha, kept.revised_prompt)


class _Memory:
    """The bytes used last, up to a number of bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._held: OrderedDict[str, bytes] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        data = self._held.get(name)
        if data is not None:
            self._held.move_to_end(name)
        return data

    def put(self, name: str, data: bytes) -> None:
        if name in self._held or len(data) > self._most:
            return
        self._held[name] = data
        self._size += len(data)
        while self._size > self._most:
            self._size -= len(self._held.popitem(last=False)[1])

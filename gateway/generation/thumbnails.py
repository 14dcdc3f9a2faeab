"""Small pictures of what was made, for people who look after the gateway."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway.generation.archive import Archive, Gone
from gateway.generation.pictures import BROKEN, shrunk
from gateway.store.recent import Recent
from gateway.store.replayable import Replayable, ReplayableResults

SIDE = 192
"""Pixels of a thumbnail's longer side."""

_AT_ONCE = 2  # pictures in memory
_KEPT = 256  # thumbnails
_KEPT_S = 3600


class Thumbnails:
    """Makes JPEGs of at most SIDE pixels, in a thread of their own, so that no paid picture waits for them.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, replayable: ReplayableResults, archive: Archive, *, clock: Callable[[], float]) -> None:
        self._replayable = replayable
        self._archive = archive
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="thumbnails")
        self._made: Recent[bytes] = Recent(_KEPT, _KEPT_S, clock)

    async def newest(self, team: str | None, count: int) -> list[Replayable]:
        """List what there is to see, as `ReplayableResults.newest` does."""
        return await self._replayable.newest(team, count)

    async def make(self, team: str, fingerprint: str) -> bytes | None:
        """Draw the first picture of a cache entry small; None where it is gone or broken.

        Raises:
            InvalidRequest: there can be no such team.
            Unavailable: the store does not answer.

        """
        records = await self._replayable.results(team, fingerprint)
        if records is None:
            return None
        made = self._made.get(records)
        if made is not None:
            return made
        async with self._turn:
            try:
                picture = await self._archive.first(records)
                made = await asyncio.get_running_loop().run_in_executor(self._pool, shrunk, picture.data, SIDE)
            except (Gone, *BROKEN):
                return None
        self._made.put(records, made)
        return made

    def close(self) -> None:
        """Let the thread end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

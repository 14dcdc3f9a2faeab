"""Whether pictures have to make room: they may share a Redis with state, which must never be evicted."""

from redis.asyncio import Redis

from gateway.store.connection import Client


class Watermark:
    """Looks at the memory of the blobs server where that is the state server, too.

    `high` is the fraction of `maxmemory` above which nothing more is to be cached. Clusters are not looked at: there
    the two are to be kept apart.
    """

    def __init__(self, state: Client, blobs: Client, *, high: float) -> None:
        self._state = state
        self._blobs = blobs
        self._high = high

    async def is_passed(self) -> bool:
        """Tell whether caching has to stop. Raises RedisTrouble."""
        if not isinstance(self._state, Redis) or not isinstance(self._blobs, Redis):
            return False
        theirs = await self._blobs.info()
        limit = int(theirs.get("maxmemory", 0))
        if not limit or theirs.get("run_id") != (await self._state.info("server")).get("run_id"):
            return False
        return int(theirs["used_memory"]) > limit * self._high

"""Image bytes in Redis, each once, named by what they are."""

import math
import re
import time
from collections.abc import Callable

from gateway.store.commands import send
from gateway.store.connection import Client
from gateway.store.recent import Recent
from gateway.store.timing import Timed

FRESH_S = 10.0
"""How long after it was put a blob is taken to be there: put what will be extended for so much longer."""

_MOST_FRESH = 10_000
_NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Bytes by their SHA-256 under `blob:<hex>`, each key in a slot of its own.

    Redis trouble is raised as it comes (`connection.RedisTrouble`): the caller may hold what is paid for.
    `clock` is monotonic, in seconds.
    """

    def __init__(
        self, redis: Client, timed: Timed | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._timed = timed or Timed()
        self._clock = clock
        self._fresh = Recent[float](_MOST_FRESH, FRESH_S, clock)  # names, and until when they were put

    async def put(self, name: str, data: bytes, life_s: float) -> None:
        """Keep `data`, whose SHA-256 is `name`, for at least `life_s` seconds. A longer life that it has stays."""
        await self._timed.call("blob_put", self._put(f"blob:{name}", data, math.ceil(life_s)), len(data))
        self._fresh.put(name, self._clock() + life_s)

    async def _put(self, key: str, data: bytes, life: int) -> None:
        while (await send(self._redis, key, [("SET", key, data, "EX", life, "NX")]))[0] is None:
            if await self._extend(key, life):
                return

    async def extend(self, name: str, life_s: float) -> bool:
        """Let the bytes of that name live at least `life_s` seconds from now; False if they are gone.

        What was put here within the last `FRESH_S` seconds, for so long, is taken to be there.
        """
        if (self._fresh.get(name) or 0) >= self._clock() + life_s:
            return True
        return await self._extend(f"blob:{name}", math.ceil(life_s))

    async def _extend(self, key: str, life: int) -> bool:
        return bool((await send(self._redis, key, [("EXPIRE", key, life, "GT"), ("EXISTS", key)]))[1])

    async def keep(self, name: str, data: bytes, life_s: float) -> None:
        """Let bytes that are probably there live at least `life_s` seconds from now; put them if they are gone."""
        if not await self.extend(name, life_s):
            await self.put(name, data, life_s)

    async def get(self, name: str) -> bytes | None:
        """Fetch the bytes of that name; None if they are gone, or the name never was one."""
        if _NAME.fullmatch(name) is None:
            return None
        return await self._timed.call("blob_get", self._get(f"blob:{name}"))

    async def _get(self, key: str) -> bytes | None:
        held = (await send(self._redis, key, [("GET", key)]))[0]
        return held if isinstance(held, bytes) else None

"""Image bytes in Redis, each once, named by what they are."""

import math
import re

from gateway.store.connection import Client
from gateway.store.timing import Timed

_NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Bytes by their SHA-256 under `blob:<hex>`, each key in a slot of its own.

    Redis trouble is raised as it comes (`connection.RedisTrouble`): the caller may hold what is paid for.
    """

    def __init__(self, redis: Client, timed: Timed | None = None) -> None:
        self._redis = redis
        self._timed = timed or Timed()

    async def put(self, name: str, data: bytes, life_s: float) -> None:
        """Keep `data`, whose SHA-256 is `name`, for at least `life_s` seconds. A longer life that it has stays."""
        await self._timed.call("blob_put", self._put(name, data, math.ceil(life_s)), len(data))

    async def _put(self, name: str, data: bytes, life: int) -> None:
        if not await self._redis.set(f"blob:{name}", data, ex=life, nx=True):
            await self._redis.expire(f"blob:{name}", life, gt=True)

    async def extend(self, name: str, life_s: float) -> bool:
        """Let the bytes of that name live at least `life_s` seconds from now; False if they are gone."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.expire(f"blob:{name}", math.ceil(life_s), gt=True)
            pipe.exists(f"blob:{name}")
            return bool((await pipe.execute())[1])

    async def get(self, name: str) -> bytes | None:
        """Fetch the bytes of that name; None if they are gone, or the name never was one."""
        if _NAME.fullmatch(name) is None:
            return None
        held = await self._timed.call("blob_get", self._redis.get(f"blob:{name}"))
        return held if isinstance(held, bytes) else None

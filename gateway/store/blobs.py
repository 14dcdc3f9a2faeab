"""Image bytes in Redis, each once, named by what they are."""

import math
import re

from gateway.store.commands import send
from gateway.store.connection import Client

_NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Bytes by their SHA-256 under `blob:<hex>`, each key in a slot of its own.

    Redis trouble is raised as it comes (`connection.RedisTrouble`): the caller may hold what is paid for.
    """

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def put(self, name: str, data: bytes, life_s: float) -> None:
        """Keep `data`, whose SHA-256 is `name`, for at least `life_s` seconds. A longer life that it has stays."""
        life = math.ceil(life_s)
        key = f"blob:{name}"
        if (await send(self._redis, key, [("SET", key, data, "EX", life, "NX")]))[0] is None:
            await send(self._redis, key, [("EXPIRE", key, life, "GT")])

    async def extend(self, name: str, life_s: float) -> bool:
        """Let the bytes of that name live at least `life_s` seconds from now; False if they are gone."""
        key = f"blob:{name}"
        replies = await send(self._redis, key, [("EXPIRE", key, math.ceil(life_s), "GT"), ("EXISTS", key)])
        return bool(replies[1])

    async def get(self, name: str) -> bytes | None:
        """Fetch the bytes of that name; None if they are gone, or the name never was one."""
        if _NAME.fullmatch(name) is None:
            return None
        key = f"blob:{name}"
        held = (await send(self._redis, key, [("GET", key)]))[0]
        return held if isinstance(held, bytes) else None

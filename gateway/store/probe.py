"""Whether Redis takes writes: one that answers may refuse them for want of memory, replicas or rights."""

from gateway.store.connection import Client

_KEY = "probe"
_LIFE_S = 10


async def try_write(redis: Client) -> None:
    """Write what is gone soon; Redis trouble is raised as it comes, a ResponseError where the write is refused."""
    await redis.set(_KEY, 1, ex=_LIFE_S)

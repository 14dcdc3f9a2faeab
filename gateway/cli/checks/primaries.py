"""What each primary of a Redis tells of itself."""

from collections.abc import Callable
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from gateway.store.cluster import Cluster
from gateway.store.connection import Client


class Primary(msgspec.Struct, frozen=True):
    """One server: its INFO, when it takes snapshots ("" is never, None where that is kept secret), and its clock.

    `ahead_s` is how far its clock is ahead of ours, give or take `doubt_s`, both in seconds.
    """

    info: dict[str, Any]
    save: str | None
    ahead_s: float
    doubt_s: float


async def primaries(redis: Client, now: Callable[[], float]) -> list[Primary]:
    """Ask each primary; `now` gives our own unix seconds. Raises RedisTrouble."""
    if not isinstance(redis, Cluster):
        return [await _ask(redis, now)]
    await redis.initialize()
    return [await _ask(redis, now, target_nodes=node) for node in redis.get_primaries()]


async def _ask(redis: Client, now: Callable[[], float], **where: Any) -> Primary:
    info = await redis.execute_command("INFO", **where)  # it connects as well, so that the clock's way is short
    asked = now()
    seconds, microseconds = await redis.execute_command("TIME", **where)
    doubt = (now() - asked) / 2
    ahead = seconds + microseconds / 1e6 - asked - doubt
    return Primary(info=info, save=await _save(redis, **where), ahead_s=ahead, doubt_s=doubt)


async def _save(redis: Client, **where: Any) -> str | None:
    try:
        told = await redis.execute_command("CONFIG GET", "save", **where)
    except ResponseError:  # managed services forbid CONFIG, or rename it
        return None
    save: str | None = told.get("save")
    return save

"""Commands for the keys of one slot, on any kind of Redis."""

from collections.abc import Sequence
from typing import Any

from gateway.store.cluster import Cluster
from gateway.store.connection import Client
from gateway.store.exchange import Command, exchange_on_one


async def send(redis: Client, key: str, commands: Sequence[Command], last_takes_s: float = 0) -> list[Any]:
    """Send `commands` together, each at most once, to the server of `key`; one round trip.

    The last of them may take `last_takes_s` seconds longer than a command may. Raises the first error reply, and
    whatever else is RedisTrouble, after which they may have run.
    """
    if isinstance(redis, Cluster):
        replies = await redis.exchange(key, commands, last_takes_s)
    else:
        replies = await exchange_on_one(redis, commands, last_takes_s)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies

"""Messages between workers, as PUBLISH sends them on one channel."""

import asyncio
from collections.abc import AsyncIterator

from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.store.cluster import Cluster
from gateway.store.connection import Client


class Channel:
    """Listens on the channel `name`, on a connection of its own to any node.

    `subscribed` is set while messages arrive: what is published while it is not, is lost on this listener. A peer
    that says nothing is asked after `ping_s` seconds, and given up after as many again.
    """

    def __init__(self, redis: Client, name: str, *, ping_s: float = 10) -> None:
        self.subscribed = asyncio.Event()
        self._redis = redis
        self._name = name
        self._ping_s = ping_s

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield each message, for ever; raises RedisTrouble when the connection breaks: begin again after a pause."""
        pubsub = await self._pubsub()
        try:
            await pubsub.subscribe(self._name)
            asked = False
            while True:
                message = await pubsub.get_message(timeout=self._ping_s)
                if message is None:
                    if asked:
                        raise RedisConnectionError(f"No answer to a ping within {self._ping_s:g} s.")
                    await pubsub.ping()
                elif message["type"] == "subscribe":
                    self.subscribed.set()
                elif message["type"] == "message":
                    yield message["data"]
                asked = message is None
                _check_unbroken(pubsub)
        finally:
            self.subscribed.clear()
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _pubsub(self) -> PubSub:
        if isinstance(self._redis, Cluster):
            await self._redis.initialize()
            return self._redis.pubsub(node=self._redis.get_random_primary_node())
        return self._redis.pubsub()


def _check_unbroken(pubsub: PubSub) -> None:
    # Left to itself it would connect again, and nobody would know that messages were lost.
    if pubsub.connection is None or not pubsub.connection.is_connected:
        raise RedisConnectionError("The connection of the subscription was closed.")

"""placeholder until merged"""
from collections.abc import AsyncIterator
from typing import Any
class Channel:
    def __init__(self, redis: Any, name: str) -> None:
        self._redis, self._name = redis, name
    async def messages(self) -> AsyncIterator[bytes]:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(self._name)
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
                if message:
                    yield message["data"]

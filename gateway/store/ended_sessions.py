"""Sessions that were ended before their time, remembered for as long as they could have lived."""

from gateway.store.connection import Client, redis_needed


class EndedSessions:
    """The same for all workers. Every method may raise Unavailable."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def add(self, session_id: str, *, left_s: int) -> None:
        """Remember a session that would have lived `left_s` seconds more, 1 at least."""
        with redis_needed():
            await self._redis.set(_key(session_id), 1, ex=left_s)

    async def has(self, session_id: str) -> bool:
        """Tell whether a session was ended."""
        with redis_needed():
            return bool(await self._redis.exists(_key(session_id)))


def _key(session_id: str) -> str:
    return f"ended-session:{session_id}"

"""Connections to one server, handed out without ceremony where one is free."""

from typing import Any

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError


class Pool(BlockingConnectionPool):
    """Keeps redis-py's way of waiting, connecting and replacing for those who need it.

    A free connection that is ready costs none of that: redis-py's lock, timer and statistics take longer than a
    command does. Where somebody waits, redis-py hears of every connection that is given back.
    """

    _waiting = 0

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        """Take a connection that is ready; raises RedisError or OSError when there is none in time."""
        if not self._waiting and self._available_connections and await _is_ready(self._available_connections[-1]):
            ready: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
            return ready
        self._waiting += 1
        try:
            made: AbstractConnection = await super().get_connection()  # type: ignore[no-untyped-call]
            return made
        finally:
            self._waiting -= 1

    async def release(self, connection: AbstractConnection) -> None:
        """Give a connection back."""
        if self._waiting or connection.should_reconnect():  # type: ignore[no-untyped-call]
            await super().release(connection)
        else:
            self._in_use_connections.remove(connection)
            self._available_connections.append(connection)


async def _is_ready(connection: AbstractConnection) -> bool:
    """Tell whether a command may go out on it: neither closed by the server, nor with bytes that nobody has read."""
    try:
        return connection.is_connected and not await connection.can_read()
    except (RedisError, OSError):
        return False

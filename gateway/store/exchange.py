"""Commands that go over one and the same connection, each at most once."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.typing import EncodableT

Command = tuple[EncodableT, ...]


async def exchange(connection: AbstractConnection, commands: Sequence[Command], last_takes_s: float = 0) -> list[Any]:
    """Send `commands` together and read their replies; an error reply is an element of the list.

    The last command may take `last_takes_s` seconds longer than any other. Raises RedisError or OSError when a
    reply does not come; the connection is closed then.
    """
    await connection.send_packed_command(connection.pack_commands(commands))
    replies = [await _reply(connection) for _ in commands[:-1]]
    patience_s = connection.socket_timeout
    # redis-py tells by None that a time-out given to it is over, as it does a reply of nil: so none is given.
    async with asyncio.timeout(None if patience_s is None else patience_s + last_takes_s):
        return [*replies, await _reply(connection, timeout=math.inf)]


async def exchange_on_one(redis: Redis, commands: Sequence[Command], last_takes_s: float = 0) -> list[Any]:
    """Do so on a connection from the pool of a single server, or of a primary under Sentinels."""
    connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        return await exchange(connection, commands, last_takes_s)
    finally:
        await redis.connection_pool.release(connection)


async def _reply(connection: AbstractConnection, timeout: float | None = None) -> Any:  # noqa: ASYNC109  redis-py's
    try:
        return await connection.read_response(timeout=timeout)
    except ResponseError as error:
        return error

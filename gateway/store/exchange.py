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

    The last reply may take `last_takes_s` seconds longer than all else may together, which is as long as a command may.
    Raises RedisError or OSError when a reply does not come; the connection is closed then.
    """
    if not connection.is_connected:
        await connection.connect()  # type: ignore[no-untyped-call]
    packed = [piece for command in commands for piece in connection.pack_command(*command)]
    patience_s = connection.socket_timeout
    at_once = commands[:-1] if last_takes_s else commands
    try:
        # redis-py's own time-outs, one for sending and one for each reply, cost as much as all the rest.
        async with asyncio.timeout(patience_s):
            await connection._send_packed_command(packed)  # noqa: SLF001
            replies = [await _reply(connection) for _ in at_once]
        if last_takes_s:
            async with asyncio.timeout(None if patience_s is None else patience_s + last_takes_s):
                replies.append(await _reply(connection))
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return replies


async def exchange_on_one(redis: Redis, commands: Sequence[Command], last_takes_s: float = 0) -> list[Any]:
    """Do so on a connection from the pool of a single server, or of a primary under Sentinels."""
    connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        return await exchange(connection, commands, last_takes_s)
    finally:
        await redis.connection_pool.release(connection)


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        return error

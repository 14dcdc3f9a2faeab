"""Commands that go over one and the same connection, each at most once."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
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
    at_once = commands[:-1] if last_takes_s else commands
    with _CutOff(connection) as cut_off:
        try:
            await connection._send_packed_command(packed)  # noqa: SLF001
            replies = [await _reply(connection) for _ in at_once]
            if last_takes_s:
                cut_off.set(last_takes_s)
                replies.append(await _reply(connection))
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if cut_off.has_come and isinstance(error, Exception):
                raise RedisTimeoutError("No reply in time.") from error
            raise
    if cut_off.has_come:  # just as the last reply came
        await connection.disconnect(nowait=True)
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


class _CutOff:
    """Cuts a connection off when it has not answered in time.

    redis-py's own time-outs, one for sending and one for each reply, cost as much as all the rest of an exchange;
    asyncio's, which interrupt a task, still several times as much as a timer.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self.has_come = False

    def __enter__(self) -> Self:
        self.set()
        return self

    def set(self, more_s: float = 0) -> None:
        """Allow as long as a command may take from now, and so much longer."""
        self._stop()
        if self._connection.socket_timeout is not None:
            after_s = self._connection.socket_timeout + more_s
            self._timer = asyncio.get_running_loop().call_later(after_s, self._cut)

    def _cut(self) -> None:
        self.has_come = True
        writer = self._connection._writer  # noqa: SLF001
        if writer is not None:
            writer.transport.abort()

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

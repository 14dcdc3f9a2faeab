"""Times what is asked of a store, and tells why it failed where it did."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisClusterException, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.store.connection import NotDurable, RedisTrouble
from gateway.telemetry.events import Emit, StoreCalled

T = TypeVar("T")

REASONS = ("timeout", "refused", "cluster", "unconfirmed", "connection")


# Most specific first; whatever else Redis trouble is, it is one of the connection.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (NotDurable, "unconfirmed"),
    (RedisTimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (RedisClusterException, "cluster"),
    (ResponseError, "refused"),
)


class Timed:
    """Emits how each call fared. `clock` is monotonic, in seconds."""

    def __init__(self, emit: Emit = lambda _: None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._clock = clock

    async def call(self, name: str, work: Awaitable[T], sends: int = 0) -> T:
        """Wait for `work`, which sends so many bytes, or fetches the bytes that it returns; raises as it does."""
        began = self._clock()
        try:
            done = await work
        except RedisTrouble as trouble:
            self._emit(StoreCalled(name, self._clock() - began, reason_of(trouble)))
            raise
        moved = len(done) if name == "blob_get" and isinstance(done, bytes) else sends
        self._emit(StoreCalled(name, self._clock() - began, bytes=moved))
        return done


def reason_of(trouble: Exception) -> str:
    """Name Redis trouble in a word from a closed set."""
    return next((reason for kind, reason in _REASONS if isinstance(trouble, kind)), "connection")

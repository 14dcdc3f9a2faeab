"""What commands do with the store: connect, work, and say what is wrong in one line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import click

from gateway.cli.connect import state_redis
from gateway.errors import InvalidRequest, Unavailable
from gateway.settings import Settings
from gateway.store.connection import Client
from gateway.store.keys import Keys
from gateway.store.teams import Teams

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """The parts of the store that commands work on."""

    keys: Keys
    teams: Teams


def with_store(settings: Settings, work: Callable[[Stored], Awaitable[T]]) -> T:
    """Do `work` on the store; raises what `with_redis` does."""
    return with_redis(settings, lambda redis: work(Stored(Keys(redis), Teams(redis))))


def with_redis(settings: Settings, work: Callable[[Client], Awaitable[T]]) -> T:
    """Do `work` on Redis itself.

    Raises:
        click.UsageError: the store refuses what was asked for.
        click.ClickException: Redis does not answer.
        SettingsError, StartFailed: there is no store to work on.

    """

    async def connected() -> T:
        async with state_redis(settings) as redis:
            return await work(redis)

    try:
        return asyncio.run(connected())
    except InvalidRequest as error:
        raise click.UsageError(error.message) from None
    except Unavailable as error:
        raise click.ClickException(f"Redis does not answer; check REDIS_URL: {error.__cause__}") from None


def now() -> float:
    """Tell the time in unix seconds."""
    return time.time()  # noqa: TID251  the command line is where clocks come from

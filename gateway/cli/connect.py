"""The store for a command: the configured Redis, the running gateway's, or one started for the moment."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from gateway.settings import Settings, SettingsError
from gateway.store.connection import Client, connect
from gateway.store.embedded import Embedded


@contextmanager
def state_url(settings: Settings) -> Iterator[str]:
    """Give the URL of the state server, which is started under the lock if need be; raises StartFailed."""
    if settings.redis.url:
        yield settings.redis.url
        return
    embedded = Embedded(Path(settings.server.state_dir))
    embedded.open()
    try:
        yield embedded.url("state")
    finally:
        embedded.close()


@asynccontextmanager
async def state_redis(settings: Settings) -> AsyncIterator[Client]:
    """Give a client of the state server; raises StartFailed or SettingsError."""
    with state_url(settings) as url:
        try:
            redis = connect(**(settings.redis.connection() | {"url": url}))
        except ValueError as error:
            raise SettingsError(f"redis.url: {error}") from None
        try:
            yield redis
        finally:
            await redis.aclose()

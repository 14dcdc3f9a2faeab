"""The store for a command: the configured Redis, the running gateway's, or one started for the moment."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path

from msgspec.structs import replace

from gateway.settings import Settings
from gateway.store.clients import connect_state
from gateway.store.connection import Client
from gateway.store.embedded import Embedded


@contextmanager
def located(settings: Settings, *, with_blobs: bool = False) -> Iterator[Settings]:
    """Give the settings with the URL of the state server, and with that of image bytes where it is wanted.

    Servers that no URL is set for are started under the lock if need be; raises StartFailed.
    """
    if settings.redis.url:
        yield settings
        return
    own_blobs = settings.blobs.max_bytes if with_blobs and not settings.blobs.url else None
    embedded = Embedded(Path(settings.server.state_dir), blobs_max_bytes=own_blobs)
    embedded.open()
    try:
        found = replace(settings, redis=replace(settings.redis, url=embedded.url("state")))
        yield found if own_blobs is None else replace(found, blobs=replace(found.blobs, url=embedded.url("blobs")))
    finally:
        embedded.close()


@asynccontextmanager
async def state_redis(settings: Settings) -> AsyncIterator[Client]:
    """Give a client of the state server; raises StartFailed or SettingsError."""
    with located(settings) as found:
        async with aclosing(connect_state(found)) as redis:
            yield redis

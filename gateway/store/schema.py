"""The version of what lies in Redis: a newer one is refused, an older one is migrated, step by step."""

from collections.abc import Awaitable, Callable, Mapping

from gateway.store.connection import Client

VERSION = 1
MIGRATIONS: Mapping[int, Callable[[Client], Awaitable[None]]] = {}
"""What leads from each version to the next. A step must bear being repeated, and done by two processes at once."""

_KEY = "schema"


class SchemaTooNew(Exception):
    """Redis holds what a newer gateway has written, and this one might damage it."""


async def migrate(
    redis: Client,
    *,
    version: int = VERSION,
    migrations: Mapping[int, Callable[[Client], Awaitable[None]]] = MIGRATIONS,
) -> None:
    """Bring Redis to `version`; one that says nothing of its own is of the first.

    Raises SchemaTooNew; Redis trouble is raised as it comes.
    """
    held, found = await _found(redis, version)
    for step in range(found, version):
        await migrations[step](redis)
    if found != version or not held:
        await redis.set(_KEY, version)


async def check_schema(redis: Client) -> None:
    """See that this gateway may use what lies in Redis, and write nothing; raises as `migrate` does."""
    await _found(redis, VERSION)


async def _found(redis: Client, version: int) -> tuple[bytes | str | None, int]:
    held: bytes | str | None = await redis.get(_KEY)
    found = int(held) if held else 1
    if found > version:
        raise SchemaTooNew(
            f"Redis was used by a newer gateway (schema {found}, this one knows {version}): "
            "run that version, or another Redis"
        )
    return held, found

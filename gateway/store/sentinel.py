"""A Redis whose primary is found through Sentinels."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool

from gateway.store.pool import Pool


class _PrimaryPool(SentinelConnectionPool, Pool):
    """Connections to whoever is primary; callers wait for one, and the Sentinels' own connections end with it."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def primary(
    sentinels: Sequence[tuple[str, int]],
    service: str,
    *,
    max_connections: int,
    pool_timeout_s: float,
    sentinel_options: Mapping[str, Any],
    **options: Any,
) -> Redis:
    """Make a client of the primary of `service`; each new connection asks the Sentinels who that is.

    `sentinel_options` are redis-py's for connections to the Sentinels, `options` those to the primary.
    """
    manager = Sentinel(sentinels, sentinel_kwargs=dict(sentinel_options))  # type: ignore[no-untyped-call]
    client: Redis = manager.master_for(
        service,
        connection_pool_class=_PrimaryPool,
        max_connections=max_connections,
        timeout=pool_timeout_s,
        **options,
    )
    return client

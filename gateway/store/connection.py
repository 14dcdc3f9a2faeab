"""One way to connect to Redis, and one way to say that it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from gateway.errors import Unavailable
from gateway.store.cluster import Cluster
from gateway.store.pool import Pool
from gateway.store.redis_url import read_url
from gateway.store.sentinel import primary

Client: TypeAlias = Redis | Cluster
"""What `connect` makes. All kinds take commands of one slot, and scripts; pipelines are not for clusters."""

RedisTrouble = (RedisError, RedisClusterException, OSError)
"""What a store may raise when Redis is away, busy or refuses a command: catch all of it alike."""


class NotDurable(RedisError):
    """A script ran, and no replica confirmed in time that it has what was written: a fail-over may lose it."""


def connect(
    url: str,
    *,
    command_timeout_s: float,
    connect_timeout_s: float,
    max_connections: int,
    pool_timeout_s: float,
) -> Client:
    """Make a client for `url`, in one of the forms of `redis_url.FORMS`; it connects on first use.

    A command is sent at most once: a script whose reply was lost must not run again. A caller waits at most
    `pool_timeout_s` for one of `max_connections` (of a cluster: to each node), then `connect_timeout_s` and
    `command_timeout_s` (seconds). After a fail-over the same client finds the new primary by itself.
    Raises ValueError, which never repeats the URL, since that may hold a password.
    """
    where = read_url(url)
    timeouts = {"socket_timeout": command_timeout_s, "socket_connect_timeout": connect_timeout_s}
    once = {
        "retry": Retry(NoBackoff(), 0),
        # They cost a round trip per connection, and let one that holds an unread reply pass as clean.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "protocol": 3,
    }
    if where.kind == "cluster":
        return Cluster(
            where.addresses,
            max_connections=max_connections,
            pool_timeout_s=pool_timeout_s,
            protocol=3,
            **timeouts,
            **where.options,
        )
    if where.kind == "sentinel":
        return primary(
            where.addresses,
            where.service,
            max_connections=max_connections,
            pool_timeout_s=pool_timeout_s,
            sentinel_options={**timeouts, **once, **where.sentinel_options},
            **timeouts,
            **once,
            **where.options,
        )
    pool = Pool.from_url(where.plain, max_connections=max_connections, timeout=pool_timeout_s, **timeouts, **once)
    return Redis.from_pool(pool)


@contextmanager
def redis_needed() -> Iterator[None]:
    """Turn any Redis trouble into `Unavailable`, for work that has bought nothing yet."""
    try:
        yield
    except RedisTrouble as trouble:
        raise Unavailable(
            "The gateway's store does not answer; nothing was bought. Please try again.",
            code="redis_unavailable",
        ) from trouble

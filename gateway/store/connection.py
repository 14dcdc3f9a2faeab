"""One way to connect to Redis, and one way to say that it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from gateway.errors import Unavailable

SCHEMES = ("redis", "rediss", "unix")

RedisTrouble = (RedisError, RedisClusterException, OSError)
"""What a store may raise when Redis is away, busy or refuses a command: catch all of it alike."""


def connect(
    url: str,
    *,
    command_timeout_s: float,
    connect_timeout_s: float,
    max_connections: int,
    pool_timeout_s: float,
) -> Redis:
    """Make a client for `url` (redis://, rediss:// or unix://); it connects on first use.

    A command is sent at most once: a script whose reply was lost must not run again. A caller waits at most
    `pool_timeout_s` for one of `max_connections`, then `connect_timeout_s` and `command_timeout_s` (seconds).
    Raises ValueError, which never repeats the URL, since that may hold a password.
    """
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in SCHEMES:
        shown = f"the scheme {scheme!r}" if "://" in url else "no scheme"
        raise ValueError(f"A Redis URL with {shown}: use {', '.join(f'{known}://' for known in SCHEMES)}.")
    try:
        urlsplit(url).port  # noqa: B018  reading it is what checks it
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=pool_timeout_s,
            socket_timeout=command_timeout_s,
            socket_connect_timeout=connect_timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=3,
            decode_responses=False,
            # They cost a round trip per connection, and let one that holds an unread reply pass as clean.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
    except ValueError:
        form = "unix:///path/to/socket?db=0" if scheme == "unix" else f"{scheme}://user:password@host:6379/0"
        raise ValueError(
            f"A Redis URL that cannot be read (a special character in a password is written as %XX): "
            f"use the form {form}."
        ) from None
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

"""Redis's own clock, by which leases end, and days and months begin."""

from gateway.store.commands import send
from gateway.store.connection import Client


async def redis_now(redis: Client) -> float:
    """Give unix seconds; raises RedisTrouble. Of a cluster, by the server that holds the list of teams."""
    [(seconds, microseconds)] = await send(redis, "teams", [("TIME",)])
    return int(seconds) + int(microseconds) / 1e6

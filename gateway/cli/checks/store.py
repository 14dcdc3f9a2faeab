"""All that is looked at in Redis, of state and of image bytes."""

from collections.abc import Callable
from contextlib import aclosing

from gateway.cli.books import Books
from gateway.cli.checks.books import check_books
from gateway.cli.checks.clock import check_clock
from gateway.cli.checks.finding import Finding, problem
from gateway.cli.checks.persistence import check_persistence, check_replicas
from gateway.cli.checks.primaries import Primary, primaries
from gateway.cli.checks.servers import check_blobs, check_state, check_use, check_version
from gateway.cli.connect import located
from gateway.errors import Unavailable
from gateway.settings import Settings
from gateway.store.clients import connect_stores
from gateway.store.connection import Client, RedisTrouble
from gateway.store.generations import Backlog


async def check_store(settings: Settings, now: Callable[[], float]) -> tuple[list[Finding], list[Backlog]]:
    """Look at both servers and at what they hold; `now` gives this host's unix seconds.

    Raises SettingsError or StartFailed.
    """
    with located(settings, with_blobs=True) as found:
        state, blobs = connect_stores(found)
        async with aclosing(state), aclosing(blobs):
            findings, states = await _reach("state", "REDIS_URL", state, now)
            more, held = await _reach("blobs", "GATEWAY_BLOBS_URL", blobs, now)
            findings += more + _state(settings, states) + check_blobs(states, held)
            if not states:
                return findings, []
            findings += [check_clock(states), *await check_use(state)]
            try:
                waiting, backlogs = await check_books(Books(state, settings), now() + states[0].ahead_s)
            except Unavailable as unavailable:  # INFO was answered: it is busy, or refuses what we need
                told = f"refuses what the gateway needs ({unavailable.__cause__}): see what REDIS_URL's user may do"
                return [*findings, problem("state", told)], []
            return findings + waiting, backlogs


async def _reach(
    about: str, variable: str, redis: Client, now: Callable[[], float]
) -> tuple[list[Finding], list[Primary]]:
    try:
        servers = await primaries(redis, now)
    except RedisTrouble as trouble:
        return [problem(about, f"does not answer: check {variable} and that the server runs ({trouble})")], []
    return check_version(about, servers), servers


def _state(settings: Settings, servers: list[Primary]) -> list[Finding]:
    found = []
    for server in servers:
        found += [*check_state(server), check_persistence(server)]
        if settings.redis.durability == "wait":
            found += check_replicas(server)
    return list(dict.fromkeys(found))  # one line for what all primaries of a cluster have in common

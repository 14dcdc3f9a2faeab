"""Whether the Redis servers are what the gateway needs."""

from collections.abc import Sequence

from gateway.cli.checks.finding import Finding, ok, problem, warning
from gateway.cli.checks.primaries import Primary
from gateway.store.connection import Client, RedisTrouble
from gateway.store.probe import try_write
from gateway.store.schema import SchemaTooNew, check_schema

_OLDEST = (7, 0)
_EVICTING = "allkeys-lru"


def check_version(about: str, servers: Sequence[Primary]) -> list[Finding]:
    """Look at what the primaries of `about` are."""
    findings = []
    for server in servers:
        version = str(server.info["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            findings.append(problem(about, f"is Redis {version}: 7.0 or newer, or Valkey, is needed"))
    kinds = {_kind(server) for server in servers}
    nodes = f", {len(servers)} primaries" if len(servers) > 1 else ""
    return findings or [ok(about, f"answers: {', '.join(sorted(kinds))}{nodes}")]


def check_state(server: Primary) -> list[Finding]:
    """Look for what would lose or refuse state."""
    if server.info["role"] != "master":
        return [problem("state", "is a replica, which takes no writes: name its primary in REDIS_URL, or Sentinels")]
    policy = server.info["maxmemory_policy"]
    if policy == "noeviction":
        return []
    told = f"has maxmemory-policy {policy}, by which keys, budgets and usage may vanish: set noeviction"
    return [problem("state", told)]


async def check_use(state: Client) -> list[Finding]:
    """See that state takes writes, of which one is tried, and that no newer gateway has used it."""
    try:
        await check_schema(state)
        await try_write(state)
    except SchemaTooNew as too_new:
        return [problem("state", str(too_new))]
    except RedisTrouble as trouble:
        return [problem("state", f"takes no writes ({trouble}): {_remedy(str(trouble))}")]
    return []


def check_blobs(states: Sequence[Primary], held: Sequence[Primary]) -> list[Finding]:
    """Look at how the servers of image bytes evict; where state is on the same ones, they must not."""
    if _names(states) & _names(held):
        return [_shared(states)]
    return [finding for server in held for finding in _eviction(server)]


def _remedy(trouble: str) -> str:
    if "NOREPLICAS" in trouble or "replicas" in trouble:
        return "attach the replicas that its min-replicas-to-write asks for, or lower that"
    if "maxmemory" in trouble or "OOM" in trouble:
        return "it is full: raise its maxmemory, or shorten GATEWAY_USAGE_RETENTION_DAYS"
    return "see what REDIS_URL's user may do, and the server's log"


def _kind(server: Primary) -> str:
    valkey = server.info.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {server.info['redis_version']}"


def _names(servers: Sequence[Primary]) -> set[str]:
    return {str(server.info["run_id"]) for server in servers}


def _eviction(server: Primary) -> list[Finding]:
    policy = str(server.info["maxmemory_policy"])
    if not policy.startswith("allkeys-"):
        told = f"has maxmemory-policy {policy}, so that a full server takes no more images: set {_EVICTING}"
        return [problem("blobs", told)]
    if not int(server.info["maxmemory"]):
        return [problem("blobs", f"has no maxmemory, so that it grows without end: set one, with {_EVICTING}")]
    return []


def _shared(states: Sequence[Primary]) -> Finding:
    told = "share one server with state, which must not evict: give GATEWAY_BLOBS_URL a server of its own"
    limit = "" if all(int(server.info["maxmemory"]) for server in states) else "; until then set its maxmemory"
    return warning("blobs", told + limit)

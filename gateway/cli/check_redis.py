"""Whether the Redis servers are what the gateway needs."""

from typing import Any

from gateway.cli.finding import Finding, ok, problem, warning
from gateway.store.cluster import Cluster
from gateway.store.connection import Client, RedisTrouble

_OLDEST = (7, 0)
_EVICTING = "allkeys-lru"


async def check_servers(state: Client, blobs: Client) -> list[Finding]:
    """Look at the servers of state and of image bytes."""
    findings, states = await _reach("state", "REDIS_URL", state)
    more, held = await _reach("blobs", "GATEWAY_BLOBS_URL", blobs)
    findings += more
    for server in states:
        findings += _state_policy(server)
    if _names(states) & _names(held):
        return [*findings, _shared(states)]
    for server in held:
        findings += _blobs_policy(server)
    return findings


async def _reach(about: str, variable: str, redis: Client) -> tuple[list[Finding], list[dict[str, Any]]]:
    try:
        servers = await _servers(redis)
    except RedisTrouble as trouble:
        return [problem(about, f"does not answer: check {variable} and that the server runs ({trouble})")], []
    findings = []
    for server in servers:
        version = str(server["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            findings.append(problem(about, f"is Redis {version}: 7.0 or newer, or Valkey, is needed"))
    kinds = {_kind(server) for server in servers}
    nodes = f", {len(servers)} primaries" if len(servers) > 1 else ""
    return findings or [ok(about, f"answers: {', '.join(sorted(kinds))}{nodes}")], servers


async def _servers(redis: Client) -> list[dict[str, Any]]:
    """Ask each primary about itself. INFO tells what CONFIG would, and no provider forbids it."""
    if isinstance(redis, Cluster):
        told = await redis.execute_command("INFO", target_nodes=Cluster.PRIMARIES)
        return list(told.values())
    return [await redis.info()]


def _kind(server: dict[str, Any]) -> str:
    valkey = server.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {server['redis_version']}"


def _names(servers: list[dict[str, Any]]) -> set[str]:
    return {str(server["run_id"]) for server in servers}


def _state_policy(server: dict[str, Any]) -> list[Finding]:
    policy = server["maxmemory_policy"]
    if policy == "noeviction":
        return []
    return [
        problem(
            "state",
            f"has maxmemory-policy {policy}, by which keys, budgets and usage may vanish: set noeviction",
        )
    ]


def _blobs_policy(server: dict[str, Any]) -> list[Finding]:
    policy = str(server["maxmemory_policy"])
    if not policy.startswith("allkeys-"):
        told = f"has maxmemory-policy {policy}, so that a full server takes no more images: set {_EVICTING}"
        return [problem("blobs", told)]
    if not int(server["maxmemory"]):
        return [problem("blobs", f"has no maxmemory, so that it grows without end: set one, with {_EVICTING}")]
    return []


def _shared(states: list[dict[str, Any]]) -> Finding:
    told = "share one server with state, which must not evict: give GATEWAY_BLOBS_URL a server of its own"
    limit = "" if all(int(server["maxmemory"]) for server in states) else "; until then set its maxmemory"
    return warning("blobs", told + limit)

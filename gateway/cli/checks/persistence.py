"""Whether state outlives its server: keys, budgets, and tasks that are paid for and not collected yet."""

from gateway.cli.checks.finding import Finding, ok, problem, warning
from gateway.cli.checks.primaries import Primary


def check_persistence(server: Primary) -> Finding:
    """Judge what is left of a state server after a crash."""
    info = server.info
    if info.get("aof_last_write_status", "ok") != "ok":
        return problem("persistence", "the last write to the append-only file of state failed: see the server's disk")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return problem("persistence", "the last snapshot of state failed: see the server's disk, and its log")
    if info.get("aof_enabled"):
        return ok("persistence", "state has an append-only file")
    if server.save is None:
        told = "state has no append-only file, and whether it takes snapshots is kept secret, as managed services do"
        return warning("persistence", f"{told}: see at the provider that keys, budgets and paid tasks outlive a crash")
    if not server.save:
        told = "state has neither an append-only file nor snapshots: a restart loses keys, budgets and paid tasks"
        return problem("persistence", f"{told}; set appendonly yes")
    told = f"state has snapshots only (save {server.save}): a crash loses what was bought since the last one"
    return warning("persistence", f"{told}; set appendonly yes")


def check_replicas(server: Primary) -> list[Finding]:
    """See that there is a replica to wait for, where that is wanted."""
    if int(server.info.get("connected_slaves", 0)):
        return []
    told = "GATEWAY_REDIS_DURABILITY is wait, but state has no replica that could confirm: nothing new is bought"
    return [problem("persistence", f"{told}; attach one to each primary, or set async")]

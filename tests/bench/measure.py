"""The measurements: rounds of load on every subject in turn, and what a request asks of Redis."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

from tests.bench import proc
from tests.bench.load import HIT, LARGE, LARGE_HIT, SMALL, UNCACHED, URL, Load, Result, ask, drive
from tests.bench.subjects import Subject, stores

ROUNDS = 3
_SECONDS = 1
_COUNTED = 100
_ALL = ("upstream", "echo", "gateway")
_LOADS: tuple[tuple[Result, tuple[int, ...], tuple[str, ...]], ...] = (
    (URL, (1, 32), _ALL),
    (SMALL, (1, 32), ("upstream", "gateway")),  # the echo's small reply is measured already
    (HIT, (1, 32), ("gateway",)),
    (LARGE, (1, 8, 32), _ALL),
    (UNCACHED, (1, 8, 32), ("gateway",)),
    (LARGE_HIT, (1, 32), ("gateway",)),
)
_OURS = {"cmdstat_info", "cmdstat_config|resetstat"}


class Cell(msgspec.Struct, frozen=True):
    """Medians of the rounds of one subject. `cpu_ms` is its process's CPU time per request, if it has one."""

    result: str
    connections: int
    subject: str
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None


class Store(msgspec.Struct, frozen=True):
    """What one request for a result asks of one server: round trips, and commands (those in scripts, too)."""

    result: str
    server: str
    round_trips: float
    commands: dict[str, float]


def rounds(subjects: list[Subject]) -> list[Cell]:
    """Drive every subject in turn, and that some times over: what disturbs the machine disturbs them all."""
    seen: dict[tuple[Result, int, Subject], list[tuple[Load, float | None]]] = {}
    for _ in range(ROUNDS):
        for result, levels, names in _LOADS:
            for connections in levels:
                for subject in subjects:
                    if subject.name in names:
                        run = _one(subject, result, connections)
                        seen.setdefault((result, connections, subject), []).append(run)
    return [
        _cell(result.name, connections, subject.name, runs) for (result, connections, subject), runs in seen.items()
    ]


def _one(subject: Subject, result: Result, connections: int) -> tuple[Load, float | None]:
    if subject.pid is None:
        return drive(subject, result, connections, _SECONDS), None
    before = proc.cpu_s_at_rest(subject.pid)
    load = drive(subject, result, connections, _SECONDS)
    spent = proc.cpu_s_at_rest(subject.pid) - before
    # When the time is up each connection has one more request under way, which is worked off all the same.
    return load, spent * 1000 / (load.requests + connections)


def _cell(result: str, connections: int, subject: str, runs: list[tuple[Load, float | None]]) -> Cell:
    loads = [load for load, _ in runs]
    spent = [cpu_ms for _, cpu_ms in runs if cpu_ms is not None]
    return Cell(
        result,
        connections,
        subject,
        per_second=median(load.requests / load.seconds for load in loads),
        p50_ms=median(load.p50_ms for load in loads),
        p99_ms=median(load.p99_ms for load in loads),
        cpu_ms=median(spent) if spent else None,
    )


def store_use(subject: Subject, home: Path) -> Iterator[Store]:
    """Count what requests, none of them answered from the cache, ask of each embedded server."""
    for result in (URL, SMALL):
        ask(subject, result, "warm-up", 1)
        servers = stores(home)
        for server in servers.values():
            server.config_resetstat()
        ask(subject, result, "counted", _COUNTED)
        for name, server in servers.items():
            reads = server.info("stats")["total_reads_processed"] - 1  # this very question
            calls = {
                command.removeprefix("cmdstat_"): stat["calls"] / _COUNTED
                for command, stat in server.info("commandstats").items()
                if command not in _OURS
            }
            server.close()
            yield Store(result.name, name, reads / _COUNTED, calls)

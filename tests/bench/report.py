"""From figures to what a person, or a program, reads; and whether the goals are met."""

import os
from collections.abc import Iterator

import msgspec

from tests.bench.flux import TASK_S, TASKS, Tasks
from tests.bench.load import HIT, LARGE, URL
from tests.bench.measure import Cell, Store
from tests.bench.memory import CLIENTS, Memory
from tests.bench.telemetry import Telemetry

MOST_ADDED_MS = 2.0
LEAST_SHARE_OF_ECHO = 1 / 8
LEAST_LARGE_PER_SECOND = 100.0
MOST_GROWTH = 3.0
MOST_KEPT = 0.25
LEAST_SHARE_OF_ECHO_BY_HITS = 1 / 4
MOST_FOR_TELEMETRY = 0.1
MOST_ROUND_TRIPS = 3.0
MOST_TASKS_RSS = 300e6
MOST_POLLS = 12.0
MOST_LAG = 0.1

_MB = 1e6


class Goal(msgspec.Struct, frozen=True):
    """A goal, the figure that was measured, and whether it is good enough."""

    goal: str
    measured: str
    met: bool


class Report(msgspec.Struct, frozen=True):
    """All that one run found out. `load_average` is the machine's before the run, `peak_rss` in bytes."""

    cpus: int
    load_average: float
    cells: list[Cell]
    memory: Memory
    peak_rss: int
    stores: list[Store]
    tasks: Tasks
    telemetry: Telemetry
    goals: list[Goal]


def report(
    load_average: float,
    cells: list[Cell],
    stores: list[Store],
    *,
    memory: Memory,
    peak_rss: int,
    tasks: Tasks,
    telemetry: Telemetry,
) -> Report:
    """Judge the figures."""
    judged = [
        *_of_loads(cells),
        _of_telemetry(telemetry),
        *_of_memory(memory),
        *_of_stores(stores),
        *_of_tasks(tasks),
    ]
    return Report(os.cpu_count() or 1, load_average, cells, memory, peak_rss, stores, tasks, telemetry, judged)


def _of_loads(cells: list[Cell]) -> Iterator[Goal]:
    by = {(cell.result, cell.connections, cell.subject): cell for cell in cells}
    added = by[URL.name, 1, "gateway"].p50_ms - by[URL.name, 1, "upstream"].p50_ms
    yield Goal(
        f"1 connection, {URL.name}: at most {MOST_ADDED_MS:g} ms added at the median",
        f"{added:.2f} ms",
        added <= MOST_ADDED_MS,
    )
    echo = by[URL.name, 32, "echo"]
    for result, least in ((URL, LEAST_SHARE_OF_ECHO), (HIT, LEAST_SHARE_OF_ECHO_BY_HITS)):
        gateway = by[result.name, 32, "gateway"]
        share = gateway.per_second / echo.per_second
        yield Goal(
            f"32 connections, {result.name}: at least 1/{1 / least:g} of the bare echo's rate",
            f"1/{1 / share:.1f} (by CPU time 1/{gateway.cpu_ms / echo.cpu_ms:.1f})",
            share >= least,
        )
    rate = by[LARGE.name, 8, "gateway"].per_second
    yield Goal(
        f"8 connections, {LARGE.name}: at least {LEAST_LARGE_PER_SECOND:g} per second",
        f"{rate:.0f}/s",
        rate >= LEAST_LARGE_PER_SECOND,
    )


def _of_telemetry(telemetry: Telemetry) -> Goal:
    """Judge by CPU time: rates scatter more, since the load and the stores share the machine."""
    cost = 1 - telemetry.cpu_ms_without / telemetry.cpu_ms
    by_rate = 1 - telemetry.per_second / telemetry.per_second_without
    return Goal(
        f"32 connections, {URL.name}: metrics and logs cost at most {100 * MOST_FOR_TELEMETRY:g} % of the rate",
        f"{100 * cost:.1f} % by CPU time ({100 * by_rate:.1f} % by the rates)",
        round(cost, 9) <= MOST_FOR_TELEMETRY,
    )


def _of_memory(memory: Memory) -> Iterator[Goal]:
    growth = (memory.peak - memory.before) / memory.results
    yield Goal(
        f"{CLIENTS} results of 2.8 MB held at once: RSS grows by at most {MOST_GROWTH:g} times their bytes",
        f"{growth:.2f} times",
        growth <= MOST_GROWTH,
    )
    kept = (memory.after - memory.before) / memory.results
    yield Goal(
        f"and is given back after: at most {MOST_KEPT:g} times their bytes are kept",
        f"{kept:.2f} times",
        kept <= MOST_KEPT,
    )


def _of_stores(stores: list[Store]) -> Iterator[Goal]:
    most = max(store.round_trips for store in stores if store.server == "state")
    yield Goal(
        f"an uncached request: at most {MOST_ROUND_TRIPS:g} round trips to the state in Redis",
        f"{most:.2f}",
        round(most, 1) <= MOST_ROUND_TRIPS,  # the keeper asks now and then, whatever is requested
    )


def _of_tasks(tasks: Tasks) -> Iterator[Goal]:
    yield Goal(
        f"{TASKS} Flux generations in flight: at most {MOST_TASKS_RSS / _MB:g} MB RSS",
        f"{tasks.peak / _MB:.0f} MB with {tasks.together}",
        tasks.peak <= MOST_TASKS_RSS and tasks.together == TASKS,
    )
    yield Goal(
        f"and at most {MOST_POLLS:g} polls of a task of {TASK_S:g} s",
        f"{tasks.polls:.1f} (the most of any: {tasks.most_polls})",
        tasks.polls <= MOST_POLLS,
    )
    share = tasks.lag_s / tasks.task_s
    yield Goal(
        f"and a mean lag from ready to answer of at most {100 * MOST_LAG:g} % of its time",
        f"{100 * share:.1f} %",
        share <= MOST_LAG,
    )


def as_text(found: Report) -> str:
    """Lay a report out in tables."""
    return "\n".join(
        [
            f"{found.cpus} CPUs shared with the load; load average before: {found.load_average:.1f}",
            "CPU time per request is what survives a noisy machine; the rest is worth comparing within one run.",
            "",
            f"{'result':<11} {'conns':>5}  {'subject':<9} {'req/s':>9} {'p50 ms':>9} {'p99 ms':>9} {'CPU ms/req':>11}",
            *_rows(found.cells),
            "",
            *_memory(found),
            "",
            *_tasks(found.tasks),
            "",
            *_telemetry(found.telemetry),
            "",
            "Redis per uncached request, at one connection:",
            *[_store(store) for store in found.stores],
            "",
            "Goals:",
            *[f"  {'PASS' if goal.met else 'MISS'}  {goal.goal}: {goal.measured}" for goal in found.goals],
        ]
    )


def _rows(cells: list[Cell]) -> Iterator[str]:
    for cell in cells:
        cpu = "-" if cell.cpu_ms is None else f"{cell.cpu_ms:.3f}"
        yield (
            f"{cell.result:<11} {cell.connections:>5}  {cell.subject:<9} {cell.per_second:>9.1f} "
            f"{cell.p50_ms:>9.3f} {cell.p99_ms:>9.3f} {cpu:>11}"
        )


def _memory(found: Report) -> Iterator[str]:
    memory = found.memory
    yield f"RSS of the gateway's worker, with {CLIENTS} results, {memory.results / _MB:.0f} MB as PNG, held at once:"
    yield (
        f"  before {memory.before / _MB:.0f} MB, at most {memory.peak / _MB:.0f} MB, after {memory.after / _MB:.0f} MB;"
        f" at most in the whole run {found.peak_rss / _MB:.0f} MB"
    )


def _tasks(tasks: Tasks) -> Iterator[str]:
    yield f"{TASKS} Flux tasks of {tasks.task_s:.1f} s on average, {tasks.together} of them under way at once:"
    yield (
        f"  RSS before {tasks.before / _MB:.0f} MB, at most {tasks.peak / _MB:.0f} MB; polls {tasks.polls:.1f} each,"
        f" at most {tasks.most_polls}; lag {tasks.lag_s:.2f} s, at most {tasks.most_lag_s:.2f} s;"
        f" CPU {1000 * tasks.cpu_s / TASKS:.2f} ms each; {tasks.refused} refused at first"
    )


def _telemetry(telemetry: Telemetry) -> Iterator[str]:
    yield f"{URL.name}, 32 connections, one process, by turns with metrics and logs and without them:"
    yield (
        f"  CPU {telemetry.cpu_ms:.3f} and {telemetry.cpu_ms_without:.3f} ms per request,"
        f" {telemetry.per_second:.1f} and {telemetry.per_second_without:.1f} requests/s"
    )


def _store(store: Store) -> str:
    commands = ", ".join(f"{name} {calls:g}" for name, calls in sorted(store.commands.items())) or "no command"
    return f"  {store.result:<11} {store.server:<6} {store.round_trips:.2f} round trips: {commands}"

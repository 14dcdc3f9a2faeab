"""The bench's arithmetic; the bench itself is run by `make bench`."""

import os
import time

import msgspec
import pytest

from tests.bench.flux import TASKS, Tasks
from tests.bench.load import HIT, LARGE, URL, Load
from tests.bench.measure import Cell, Store, _cell
from tests.bench.memory import Memory
from tests.bench.proc import cpu_s, peak_rss, rss
from tests.bench.profiling import _by, _inclusive, _ours, _package, read_stacks
from tests.bench.report import as_text, report
from tests.bench.telemetry import Telemetry

GOALS = 11
STACKS = """\
<module> (/src/gateway/worker.py:93);send (/src/gateway/upstream/client.py:60);get (/v/lib/python3.11/site-packages/aiohttp/c.py:7) 3
<module> (/src/gateway/worker.py:93);send (/src/gateway/upstream/client.py:61);get (/v/lib/python3.11/site-packages/aiohttp/c.py:9) 2
<module> (/src/gateway/worker.py:93);run (/usr/lib/python3.11/asyncio/runners.py:118) 5
"""


def cell(result, connections, subject, per_second=1.0, p50_ms=1.0, *, cpu_ms=0.5):
    return Cell(result.name, connections, subject, per_second, p50_ms, 9.0, None if subject == "upstream" else cpu_ms)


def judged(
    *,
    added=2.0,
    share=1 / 8,
    hits=1 / 4,
    quiet_ms=0.45,
    large=100.0,
    peak=400,
    after=125,
    trips=3.0,
    rss=300e6,
    polls=12.0,
    lag_s=1.0,
):
    """Judge a run whose figures all lie exactly on the goal, but for those that are given."""
    cells = [
        cell(URL, 1, "upstream", p50_ms=0.5),
        cell(URL, 1, "gateway", p50_ms=0.5 + added),
        cell(URL, 32, "echo", per_second=8000.0),
        cell(URL, 32, "gateway", per_second=8000.0 * share),
        cell(HIT, 32, "gateway", per_second=8000.0 * hits),
        cell(LARGE, 8, "gateway", per_second=large),
    ]
    stores = [Store("small url", "state", trips, {"hgetall": 1.0}), Store("small url", "blobs", 9.0, {})]
    tasks = Tasks(
        TASKS, 80_000_000, int(rss), polls, 13, task_s=10.0, lag_s=lag_s, most_lag_s=3.0, cpu_s=9.0, refused=2
    )
    memory = Memory(results=100, before=100, peak=peak, after=after)
    telemetry = Telemetry(0.5, 1000.0, quiet_ms, 1000.0)
    return report(0.1, cells, stores, memory=memory, peak_rss=500, tasks=tasks, telemetry=telemetry)


def test_figures_on_the_goal_meet_it():
    """Each goal is an "at most" or an "at least"."""
    assert [goal.met for goal in judged().goals] == [True] * GOALS


@pytest.mark.parametrize(
    ("figure", "missed", "measured"),
    [
        ({"added": 2.1}, 0, "2.10 ms"),
        ({"share": 1 / 10}, 1, "1/10.0 (by CPU time 1/1.0)"),
        ({"hits": 1 / 5}, 2, "1/5.0 (by CPU time 1/1.0)"),
        ({"large": 99.0}, 3, "99/s"),
        ({"quiet_ms": 0.4}, 4, "20.0 % by CPU time (0.0 % by the rates)"),
        ({"peak": 410}, 5, "3.10 times"),
        ({"after": 130}, 6, "0.30 times"),
        ({"trips": 3.5}, 7, "3.50"),
        ({"rss": 301e6}, 8, "301 MB with 2000"),
        ({"polls": 12.1}, 9, "12.1 (the most of any: 13)"),
        ({"lag_s": 1.1}, 10, "11.0 %"),
    ],
)
def test_a_figure_past_its_goal_misses_that_one(figure, missed, measured):
    """The goal that is missed says what was measured; the others are not touched by it."""
    found = judged(**figure)

    assert [goal.met for goal in found.goals] == [number != missed for number in range(GOALS)]
    assert found.goals[missed].measured == measured
    assert f"MISS  {found.goals[missed].goal}: {measured}" in as_text(found)


def test_rounds_are_summed_up_by_their_medians():
    """One disturbed round changes nothing; what costs no CPU of ours has no figure for it."""
    loads = [Load(100, 2.0, 1.0, 3.0, 0), Load(10, 2.0, 50.0, 90.0, 0), Load(120, 2.0, 0.9, 2.0, 0)]

    assert _cell("r", 8, "gateway", list(zip(loads, [0.5, 4.0, 0.4], strict=True))) == Cell(
        "r", 8, "gateway", 50.0, 1.0, 3.0, 0.5
    )
    assert _cell("r", 8, "upstream", [(load, None) for load in loads]).cpu_ms is None


def test_the_text_has_every_figure_and_the_json_can_be_read_back():
    """The two forms tell the same."""
    found = judged()
    text = as_text(found)

    assert "at most 0 MB" in text
    assert "small url   state  3.00 round trips: hgetall 1" in text
    assert "small url   blobs  9.00 round trips: no command" in text
    assert "polls 12.0 each, at most 13; lag 1.00 s, at most 3.00 s; CPU 4.50 ms each; 2 refused at first" in text
    assert text.count("PASS") == GOALS
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def test_a_profile_is_summed_up_by_package_and_by_function():
    """Lines of one function count together, and a library's time is charged to who called it, too."""
    stacks = read_stacks(STACKS)

    assert _by(stacks, lambda frames: _package(frames[-1])) == {"aiohttp": 5, "asyncio": 5}
    assert _by(stacks, _ours) == {"send (gateway/upstream/client.py)": 5, "(the server and its loop)": 5}
    assert _inclusive(stacks) == {"<module> (src/gateway/worker.py)": 10, "send (gateway/upstream/client.py)": 5}


def test_memory_is_read_in_bytes():
    """A Python process has tens of megabytes, and never had less than now."""
    assert 5_000_000 < rss(os.getpid()) <= peak_rss(os.getpid()) + 1_000_000


def test_the_cpu_time_of_a_process_is_its_own():
    """To the nanosecond, all threads together."""
    before = time.process_time()
    assert before <= cpu_s(os.getpid()) <= time.process_time()

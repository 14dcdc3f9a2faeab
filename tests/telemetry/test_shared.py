"""Metrics of several processes are added up, and those that ended stay counted."""

import os
import subprocess
import sys

import pytest
from prometheus_client import values

from gateway.telemetry import shared

WORKER = """
import sys
from gateway.telemetry import shared
shared.take_place(int(sys.argv[1]))
from gateway.telemetry.events import CachingChanged, GenerationStarted, UpstreamAnswered, TaskCollected
from gateway.telemetry.metrics import Metrics
metrics = Metrics(["V3"])
metrics(GenerationStarted("V3"))
metrics(UpstreamAnswered("V3", 200, True, 1.0))
metrics(TaskCollected("V3", 7, 0.5))
metrics(CachingChanged(caches=sys.argv[1] == "0"))
"""


@pytest.fixture
def work(tmp_path):
    """Run a worker at a place, from its start to its end."""

    def run(place):
        environ = os.environ | {shared.DIRECTORY: str(tmp_path)}
        subprocess.run([sys.executable, "-c", WORKER, str(place)], env=environ, check=True, timeout=60)

    return run


def counted(folder):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in shared.registry_of_all(folder).collect()
        for sample in family.samples
    }


def test_workers_add_up(work, tmp_path):
    """Counters, histograms and what is in flight exactly; no label tells one worker from the other."""
    for place in (0, 1):
        work(place)

    told = counted(tmp_path)

    assert 2 == told["gateway_upstream_replies_total", "V3", "200"]
    assert 2 == told["gateway_polls_per_task_count", "V3"]
    assert 14 == told["gateway_polls_per_task_sum", "V3"]
    assert 2 == told["gateway_generations_in_flight", "V3"]
    assert 1 == told["gateway_caching_stopped",]
    assert not any("pid" in sample for sample in told)


def test_who_takes_a_place_counts_on(work, tmp_path):
    """However often a worker is replaced: nothing counted is lost, and there are no more files."""
    work(0)
    files = set(tmp_path.iterdir())
    for _ in range(2):
        work(0)

    assert 3 == counted(tmp_path)["gateway_upstream_replies_total", "V3", "200"]
    assert files == set(tmp_path.iterdir())


def test_a_process_alone_counts_in_its_memory():
    """Without the directory there are no files, and nothing is changed in the library."""
    before = values.ValueClass
    shared.take_place(3)

    assert shared.directory() is None
    assert before is values.ValueClass

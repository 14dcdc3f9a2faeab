"""What metrics and logs cost: the same load on the same process with them and without, turn by turn."""

import os
from statistics import mean

import msgspec

from tests.bench import proc
from tests.bench.load import URL, drive
from tests.bench.subjects import Subject
from tests.bench.switched import OFF, ON

_TURNS = 10
_SECONDS = 1
_CONNECTIONS = 32


class Telemetry(msgspec.Struct, frozen=True):
    """CPU time per uncached request, and requests per second, with metrics and logs and without."""

    cpu_ms: float
    per_second: float
    cpu_ms_without: float
    per_second_without: float


def cost(subject: Subject) -> Telemetry:
    """Measure a switched gateway; each first one of two turns is the second of the next two."""
    seen: dict[int, list[tuple[float, float]]] = {ON: [], OFF: []}
    drive(subject, URL, _CONNECTIONS, _SECONDS)
    for turn in range(_TURNS):
        for switch in (ON, OFF) if turn % 2 else (OFF, ON):
            os.kill(subject.pid, switch)
            before = proc.cpu_s_at_rest(subject.pid)
            load = drive(subject, URL, _CONNECTIONS, _SECONDS)
            spent = proc.cpu_s_at_rest(subject.pid) - before
            seen[switch].append((spent * 1000 / (load.requests + _CONNECTIONS), load.requests / load.seconds))
    return Telemetry(*(mean(values) for switch in (ON, OFF) for values in zip(*seen[switch], strict=True)))

"""Metrics of several workers: each writes its own into files of one directory, and who is scraped adds them up.

prometheus-client decides that on its first import, by PROMETHEUS_MULTIPROC_DIR. Files are named by the worker's place
instead of its process id, so that a worker that takes a dead one's place counts on where that one stopped, and their
number does not grow.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, values
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


def directory() -> Path | None:
    """Tell where the workers' files are; None where this process counts for itself."""
    named = os.environ.get(DIRECTORY)
    return Path(named) if named else None


def take_place(place: int = 0) -> None:
    """Write the metrics that are made from now on as the worker at this place."""
    folder = directory()
    if folder is not None:
        values.ValueClass = _values_in(folder, place)


def _values_in(folder: Path, place: int) -> type:
    """Make the class of values of the worker at this place.

    prometheus-client's own take a lock and look for a fork at each step, which one thread that never forks pays for.
    """
    files: dict[str, MmapedDict] = {}

    class Value:
        _multiprocess = True

        def __init__(  # noqa: PLR0917  as prometheus-client calls it
            self,
            typ: str,
            metric_name: str,
            name: str,
            labelnames: list[str],
            labelvalues: list[str],
            help_text: str,
            multiprocess_mode: str = "",
            **_: Any,
        ) -> None:
            kind = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
            if kind not in files:
                files[kind] = MmapedDict(str(folder / f"{kind}_{place}.db"))  # type: ignore[no-untyped-call]
            self._key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
            self._write: Callable[[str, float, float], None] = files[kind].write_value
            self._value: float = files[kind].read_value(self._key)[0]  # type: ignore[no-untyped-call]

        def inc(self, amount: float) -> None:
            self._value += amount
            self._write(self._key, self._value, 0.0)

        def set(self, value: float, timestamp: float | None = None) -> None:
            self._value = value
            self._write(self._key, value, timestamp or 0.0)

        def get(self) -> float:
            return self._value

        def set_exemplar(self, _: object) -> None:
            """Forget it: a file holds none."""

        def get_exemplar(self) -> None:
            return None

    return Value


def registry_of_all(folder: Path) -> CollectorRegistry:
    """Make a registry that holds the sums over all workers."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry

"""Metrics of several workers: each writes its own into files of one directory, and who is scraped adds them up.

prometheus-client decides that on its first import, by PROMETHEUS_MULTIPROC_DIR. Files are named by the worker's place
instead of its process id, so that a worker that takes a dead one's place counts on where that one stopped, and their
number does not grow.
"""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


def directory() -> Path | None:
    """Tell where the workers' files are; None where this process counts for itself."""
    named = os.environ.get(DIRECTORY)
    return Path(named) if named else None


def take_place(place: int = 0) -> None:
    """Write the metrics that are made from now on as the worker at this place."""
    if directory() is not None:
        values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


def registry_of_all(folder: Path) -> CollectorRegistry:
    """Make a registry that holds the sums over all workers."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry

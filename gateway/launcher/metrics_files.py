"""The directory in which workers keep the metrics that are added up over all of them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.processes import StartFailed
from gateway.store.valkey_server import try_lock

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus-client learns of it, on its first import."""

_MOST_BYTES = 16 << 20  # of one worker: every label of every metric, twice over
_PREFIX = "gateway-metrics-"


def place_for(workers: int, memory: Path = Path("/dev/shm")) -> Path:  # noqa: S108  mkdtemp makes it ours alone
    """Choose where: in memory, if there is room for the files of so many; a worker that runs out of it is killed."""
    has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= workers * _MOST_BYTES
    return memory if has_room else Path(tempfile.gettempdir())


@contextmanager
def metrics_directory(base: Path) -> Iterator[Path]:
    """Make an empty directory in `base` and remove it in the end; raises StartFailed.

    Those of launchers that were killed are removed first.
    """
    try:
        _sweep(base)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        lock = try_lock(folder / "lock")
    except OSError as error:
        raise StartFailed(f"cannot make a directory for metrics in {base}: {error.strerror}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def forget_gauges(folder: Path, place: int) -> None:
    """Drop what a worker that is gone was doing; what it counted stays, and whoever takes its place counts on."""
    for file in folder.glob(f"gauge_live*_{place}.db"):
        file.unlink(missing_ok=True)


def _sweep(base: Path) -> None:
    for folder in base.glob(f"{_PREFIX}*"):
        # One that was made a moment ago has no lock file yet, and is left to whoever made it.
        if folder.stat().st_uid != os.getuid() or not (folder / "lock").exists():
            continue
        lock = try_lock(folder / "lock")
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

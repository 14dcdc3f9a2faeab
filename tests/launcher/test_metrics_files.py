"""The directory of the workers' metrics: fresh, private, and not left behind."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gateway.launcher import metrics_files
from gateway.launcher.metrics_files import forget_gauges, metrics_directory, place_for
from gateway.processes import StartFailed
from gateway.telemetry import shared

KILLED = """
import os, sys
from pathlib import Path
from gateway.launcher.metrics_files import metrics_directory
with metrics_directory(Path(sys.argv[1])) as folder:
    (folder / "counter_0.db").touch()
    os._exit(0)
"""


def test_it_is_private_and_gone_in_the_end(tmp_path):
    """Two launchers have one each."""
    with metrics_directory(tmp_path) as one, metrics_directory(tmp_path) as other:
        assert one != other
        assert 0o700 == one.stat().st_mode & 0o777
        (one / "counter_0.db").touch()

    assert [] == list(tmp_path.iterdir())


def test_what_a_killed_launcher_left_is_removed(tmp_path):
    """But not what another one that lives is using."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True, timeout=60)
    [left] = tmp_path.iterdir()
    with metrics_directory(tmp_path) as one, metrics_directory(tmp_path) as other:
        assert {one, other} == set(tmp_path.iterdir())
        assert not left.exists()


def test_it_is_in_memory_where_that_has_room(tmp_path):
    """A worker whose files do not fit would be killed by the system."""
    assert tmp_path == place_for(1, tmp_path)
    assert Path(tempfile.gettempdir()) == place_for(10**9, tmp_path) == place_for(1, tmp_path / "nowhere")


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path):
    """The line says where."""
    with (
        pytest.raises(StartFailed, match=r"cannot make a directory for metrics in .*nowhere"),
        metrics_directory(tmp_path / "nowhere"),
    ):
        pass


def test_only_what_a_worker_was_doing_is_forgotten(tmp_path):
    """What it counted stays, and so does all of the other workers'."""
    names = ["gauge_livesum_1.db", "gauge_livemax_1.db", "counter_1.db", "histogram_1.db", "gauge_livesum_11.db"]
    for name in names:
        (tmp_path / name).touch()

    forget_gauges(tmp_path, 1)

    assert set(names[2:]) == {file.name for file in tmp_path.iterdir()}


def test_workers_and_launcher_mean_the_same_variable():
    """The launcher does without prometheus-client, whose variable it is."""
    assert shared.DIRECTORY == metrics_files.DIRECTORY

"""Watching real processes: who is whose child, who is still there, and waiting until something holds."""

import contextlib
import os
import signal
import time
from pathlib import Path


def until(holds, what="it", seconds=30, every_s=0.01):
    """Wait until `holds()` is truthy, looking so often, and return that; fail when it never is."""
    give_up = time.monotonic() + seconds
    while not (result := holds()):
        assert time.monotonic() < give_up, f"{what} did not happen within {seconds} s"
        time.sleep(every_s)
    return result


def _status(pid):
    """Read the state and parent of a process from behind the last parenthesis of its stat file."""
    state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    return state, int(parent)


def alive(pid):
    """Tell whether a process runs; a zombie does not."""
    with contextlib.suppress(OSError):
        return _status(pid)[0] not in "ZX"
    return False


def descendants(pid):
    """Every living child of a process, and theirs, as pid -> command line."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = _status(entry.name)[1]
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return {child: command(child) for child in found - {pid} if alive(child)}


def command(pid):
    """Read the command line of a process, "" once it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def kill(pid):
    """Kill a process as nothing can refuse."""
    os.kill(pid, signal.SIGKILL)

"""What the kernel knows of a process: its CPU time and its memory."""

import re
import time
from pathlib import Path

_AT_REST = 5
_POLL_S = 0.02
_IDLE_S = 0.001
_PATIENCE_S = 20.0


def cpu_s(pid: int) -> float:
    """Read the CPU time of all threads so far, user and system, in seconds.

    The clock's number is made as Linux's clock_getcpuclockid(3) makes it; /proc counts in ticks of 10 ms.
    """
    return time.clock_gettime(~pid << 3 | 2)


def cpu_s_at_rest(pid: int) -> float:
    """Wait until the process has finished its work, then read its CPU time."""
    give_up = time.monotonic() + _PATIENCE_S
    last, idle = cpu_s(pid), 0
    while idle < _AT_REST and time.monotonic() < give_up:
        time.sleep(_POLL_S)
        now = cpu_s(pid)
        idle = idle + 1 if now - last < _IDLE_S else 0
        last = now
    return last


def rss(pid: int) -> int:
    """Read the resident memory, in bytes."""
    return _status(pid, "VmRSS")


def peak_rss(pid: int) -> int:
    """Read the highest resident memory since the start or the last `forget_peak`, in bytes."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the highest resident memory be counted anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024

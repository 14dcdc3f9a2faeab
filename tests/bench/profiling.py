"""Where the worker's time goes: py-spy's samples under load, summed up."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import LARGE, SMALL, URL, Result, drive
from tests.bench.subjects import Subject

_SECONDS = 10
_SAMPLES_PER_SECOND = "500"
_SHOWN = 25
_CASES = ((URL, 32), (SMALL, 32), (LARGE, 8))
_PACKAGE = re.compile(r".*/(?:site-packages|python3\.\d+)/(\w+)")


def profile(subject: Subject, home: Path) -> Iterator[str]:
    """Watch the worker under each kind of load; yields the lines of a report. Raises SystemExit without py-spy."""
    for result, connections in _CASES:
        drive(subject, result, connections, 1)
        stacks = _record(subject, result, connections, home / "profile")
        total = stacks.total()
        yield f"== {result.name}, {connections} connections: {total} samples"
        yield from _table("self time by package", _by(stacks, lambda frames: _package(frames[-1])), total)
        yield from _table("by the innermost function of ours, with the libraries under it", _by(stacks, _ours), total)
        yield from _table("by every function of ours, with all that it calls or awaits", _inclusive(stacks), total)
        yield from _table("self time by function", _by(stacks, lambda frames: frames[-1]), total)
        yield ""


def _record(subject: Subject, result: Result, connections: int, path: Path) -> Counter[tuple[str, ...]]:
    options = ["--pid", str(subject.pid), "--duration", str(_SECONDS), "--rate", _SAMPLES_PER_SECOND]
    argv = [*_py_spy(), "record", *options, "--format", "raw", "--full-filenames", "--output", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as spy:
        drive(subject, result, connections, _SECONDS)
        said = spy.communicate()[1]
    if spy.returncode:
        raise SystemExit(f"py-spy cannot watch the worker:\n{said}")
    return read_stacks(path.read_text())


def _py_spy() -> list[str]:
    if found := shutil.which("py-spy"):
        return [found]
    return [str(Path(sys.executable).with_name("uv")), "tool", "run", "--quiet", "py-spy"]


def read_stacks(text: str) -> Counter[tuple[str, ...]]:
    """Read py-spy's raw format: per line the frames, outermost first, and how often they were seen."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        stacks[tuple(re.sub(r":\d+\)$", ")", frame) for frame in frames.split(";"))] += int(count)
    return stacks


def _by(stacks: Counter[tuple[str, ...]], name) -> Counter[str]:
    shares: Counter[str] = Counter()
    for frames, count in stacks.items():
        shares[_short(name(frames))] += count
    return shares


def _inclusive(stacks: Counter[tuple[str, ...]]) -> Counter[str]:
    shares: Counter[str] = Counter()
    for frames, count in stacks.items():
        for frame in {_short(frame) for frame in frames if _is_ours(frame)}:
            shares[frame] += count
    return shares


def _is_ours(frame: str) -> bool:
    return "/gateway/" in frame and "site-packages" not in frame


def _ours(frames: tuple[str, ...]) -> str:
    inner = [frame for frame in frames if _is_ours(frame)]
    # Every stack begins in the worker's own start, and every request passes the wrapper around the application.
    return inner[-1] if len(inner) > 1 and "worker.py" not in inner[-1] else "(the server and its loop)"


def _package(frame: str) -> str:
    if _is_ours(frame):
        return "gateway"
    found = _PACKAGE.search(frame)
    return found[1] if found else frame


def _short(frame: str) -> str:
    return re.sub(r"\(\S*?/((?:\w+/){0,2}\w+\.py)\)", r"(\1)", frame)


def _table(title: str, shares: Counter[str], total: int) -> Iterator[str]:
    yield f"-- {title}"
    for name, count in shares.most_common(_SHOWN):
        yield f"  {100 * count / total:5.1f} %  {name}"

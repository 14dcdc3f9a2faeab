"""The ledger for the time that Redis is away, where the operator wants to serve all the same.

It joins within this worker only, has no cache and no quotas, and writes each purchase to a file before it is made, to
be booked when Redis is back. What another worker buys meanwhile it cannot know.
"""

import fcntl
import os
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from gateway.store.journal import Admission, PartReport, PartState, Settled, State, Verdict
from gateway.store.ledger import Ledger
from gateway.telemetry.events import Emit, GenerationBooked

_ENDED = {"delivered", "failed", "unknown", "dropped"}


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step: an admission when its first call goes out, then what became of parts. `at` is in unix ms."""

    id: str
    team: str = ""
    at: int = 0
    admission: Admission | None = None
    reports: tuple[PartReport, ...] = ()


class _Open:
    def __init__(self, team: str, admission: Admission) -> None:
        self.team = team
        self.admission = admission
        self.reports: dict[int, PartReport] = {}
        self.is_written = False

    @property
    def has_ended(self) -> bool:
        return len(self.reports) == len(self.admission.counts)


class Spool:
    """Keeps to its own file in `directory`, which is locked as long as this process lives. `now` gives unix seconds.

    `booked` hears of each generation once the ledger has booked it, and of its cost in micro-dollars.

    Its methods stand for the ledger's of the same name; none of them needs Redis. A disk that takes no line raises
    OSError before anything is bought.
    """

    books_at_once = False

    def __init__(
        self,
        directory: Path,
        ledger: Ledger,
        *,
        booked: Callable[[str, int], Awaitable[None]],
        now: Callable[[], float],
        emit: Emit,
    ) -> None:
        self.rules = ledger.rules
        self._directory = directory
        self._ledger = ledger
        self._booked = booked
        self._now = now
        self._emit = emit
        self._file: BinaryIO | None = None
        self._open: dict[str, _Open] = {}
        self._lanes: dict[tuple[str, str], str] = {}

    def admit(self, team: str, admission: Admission) -> Verdict:
        """Join what is made here for the same team, or lead."""
        lane = (team, admission.fp)
        if admission.shared and lane in self._lanes:
            return Verdict("join", self._lanes[lane])
        if admission.shared:
            self._lanes[lane] = admission.id
        self._open[admission.id] = _Open(team, admission)
        return Verdict("lead", admission.id, epoch=1, shared=admission.shared)

    async def mark(
        self,
        team: str,
        generation: str,
        epoch: int,  # noqa: ARG002  the ledger's signature
        part: int,  # noqa: ARG002
        state: PartState,
        *,
        task: str = "",  # noqa: ARG002
        unless_abandoned: bool = False,
        turn: int = 0,  # noqa: ARG002
    ) -> Literal["ok", "lost", "abandoned"]:
        """Write a purchase down before it is made."""
        if unless_abandoned:
            return "abandoned"
        held = self._open[generation]
        if state == "sent" and not held.is_written:
            held.is_written = (
                True  # a line that failed may yet be flushed with the next: what becomes of it must follow
            )
            self._write(_Line(generation, team, int(self._now() * 1000), held.admission))
        return "ok"

    async def settle(
        self,
        team: str,  # noqa: ARG002  the ledger's signature
        generation: str,
        epoch: int,  # noqa: ARG002
        parts: Iterable[PartReport],
        error: bytes = b"",  # noqa: ARG002
    ) -> Settled:
        """Write down what became of parts; they are booked later, by `book`."""
        held = self._open[generation]
        reports = tuple(parts)
        held.reports |= {report.part: report for report in reports}
        if held.is_written:
            self._write(_Line(generation, reports=reports))
        if held.has_ended:
            del self._open[generation]
            self._lanes = {lane: name for lane, name in self._lanes.items() if name != generation}
        told = held.reports.values()
        state: State = "delivered" if any(report.images for report in told) else "failed"
        images, cost = sum(report.images for report in told), sum(report.cost for report in told)
        return Settled(state if held.has_ended else "open", images, cost, held.has_ended)

    async def left(self, team: str, generation: str) -> None:
        """Do nothing: there are no claims."""

    async def reset(self, team: str, generation: str) -> None:
        """Do nothing: there are no claims."""

    async def answered(self, team: str, generation: str) -> None:
        """Do nothing: there are no claims."""

    async def book(self) -> int:
        """Book what was made while Redis was away, here or by workers that are gone; returns how many generations.

        What is booked already is not booked again.

        Raises:
            RedisTrouble: it is still away, or went in the middle: what `booked` was not told of by then, it never is.
            OSError: a file cannot be read or taken away.
            msgspec.DecodeError: a line of a file is none of ours.

        """
        booked = 0
        for path, file in self._finished():
            with file:
                for held, at in _read(file):
                    settled = await self._ledger.replay(held.team, held.admission, at, _complete(held))
                    if settled is not None and settled.booked is not None:
                        booked += 1
                        told = settled.booked
                        self._emit(GenerationBooked(held.team, held.admission.model, told.images, told.cost))
                        await self._booked(held.admission.id, settled.cost)
                path.unlink(missing_ok=True)
        return booked

    def _finished(self) -> Iterator[tuple[Path, BinaryIO]]:
        """Give the files whose workers are gone, and our own once all that it speaks of has ended."""
        if self._file is not None and not self._open:
            self._file.close()  # and so it is like one whose worker is gone
            self._file = None
        for path in self._directory.glob("*.jsonl"):
            file = _locked(path)
            if file is not None:
                yield path, file

    def _write(self, line: _Line) -> None:
        if self._file is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._directory / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            self._file = _locked(path, create=True)
        if self._file is None:
            raise OSError(f"cannot lock a new file in {self._directory}")
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _locked(path: Path, *, create: bool = False) -> BinaryIO | None:
    """Open a file that no living worker holds, and hold it."""
    try:
        file = path.open("ab+" if create else "rb+")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if not os.fstat(file.fileno()).st_nlink:  # another worker has booked it in the meantime, and taken it away
        file.close()
        return None
    return file


def _read(file: BinaryIO) -> list[tuple[_Open, int]]:
    """Read a file's generations and when they were made; a line that was cut off was never acted upon."""
    file.seek(0)
    found: dict[str, tuple[_Open, int]] = {}
    reports: dict[str, list[PartReport]] = defaultdict(list)
    for text in file.read().split(b"\n")[:-1]:
        line = msgspec.json.decode(text, type=_Line)
        if line.admission is not None:
            found[line.id] = _Open(line.team, line.admission), line.at
        reports[line.id] += line.reports
    for name, (held, _) in found.items():
        held.reports = {report.part: report for report in reports[name] if report.state in _ENDED}
    return list(found.values())


def _complete(held: _Open) -> list[PartReport]:
    """Tell of every part; what nobody has told of was lost with its worker."""
    parts = range(1, 1 + len(held.admission.counts))
    return [held.reports.get(part, PartReport(part, "unknown")) for part in parts]

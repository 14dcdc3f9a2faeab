"""Signals for a loop without threads: waiting for them, and not missing one."""

import os
import select
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Self

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Within `with`, a signal to stop raises SystemExit until `hold` is called; from then on it is counted.

    `stops` is how many came since `hold`, `hurry` whether one after the first was SIGINT.
    """

    def __init__(self) -> None:
        self.stops = 0
        self.hurry = False
        self._holding = False
        self._pipe = (-1, -1)

    def __enter__(self) -> Self:
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[0], False)
        os.set_blocking(self._pipe[1], False)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in (*_STOPPING, signal.SIGCHLD):
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number in (*_STOPPING, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for end in self._pipe:
            os.close(end)

    def hold(self) -> None:
        """Count signals from now on."""
        self._holding = True

    def wait(self, timeout_s: float, descriptors: Sequence[int] = ()) -> None:
        """Wait for a signal, a child's death or something to read, at most `timeout_s` seconds."""
        ready, _, _ = select.select([self._pipe[0], *descriptors], [], [], timeout_s)
        if self._pipe[0] in ready:
            os.read(self._pipe[0], 4096)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return  # that it woke `wait` is all it is for
        if not self._holding:
            raise SystemExit(128 + number)
        self.stops += 1
        self.hurry = self.hurry or (self.stops > 1 and number == signal.SIGINT)

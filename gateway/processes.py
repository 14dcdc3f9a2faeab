"""Child processes that die with us, and are started again when they die alone."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_OURS = ("GATEWAY_", "AIHUBMIX_", "REDIS_URL")

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 30.0
YOUNG_S = 10.0


class StartFailed(Exception):
    """Something that this command needs could not be started; the message is for the person at the terminal."""


def spawn(
    argv: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    pass_fds: Sequence[int] = (),
    environ: Mapping[str, str] = os.environ,
) -> subprocess.Popen[bytes]:
    """Start a child that gets SIGTERM when this thread ends, however it ends (Linux only; call from the main thread).

    It has a session of its own, so that Ctrl-C reaches it only through us, and none of the gateway's settings in
    its environment. Raises StartFailed.
    """
    try:
        return subprocess.Popen(  # noqa: S603  argv is ours
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            env={name: value for name, value in environ.items() if not name.startswith(_OURS)},
            start_new_session=True,
            preexec_fn=_die_with_parent() if sys.platform == "linux" else None,  # noqa: PLW1509  see its comment
        )
    except OSError as error:
        raise StartFailed(f"cannot start {argv[0]}: {error.strerror}") from error


def _die_with_parent() -> Callable[[], None]:
    # Between fork and exec only this runs, on what was loaded before: no import, no lock of another thread.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above: nobody would tell us any more
            os._exit(1)

    return prepare


def stop(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End `process` by SIGTERM, or by SIGKILL when it is still there after `grace_s` seconds; reap it."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what it never read, closing tries to write once more
                pipe.close()


class Supervised:
    """A child that is started again when it dies: the oftener it dies young, the later.

    `start` makes the process and may raise StartFailed. `report` is told of each death.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], subprocess.Popen[bytes]],
        *,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.young_deaths = 0
        self._start = start
        self._report = report
        self._clock = clock
        self._born = 0.0
        self._due: float | None = None

    def start(self) -> None:
        """Start the child; raises StartFailed."""
        self._born = self._clock()
        self._due = None
        self.process = self._start()

    def tend(self) -> None:
        """Notice a death, and start the child again once its delay is over; call this often."""
        if self._due is None:
            if self.process is None or self.process.poll() is None:
                return
            stop(self.process, 0)
            self._report(f"{self.name} {_how_it_ended(self.process)}; starting it again")
            self._delay()
        if self._due is not None and self._clock() >= self._due:
            try:
                self.start()
            except StartFailed as failure:
                self._report(f"{self.name}: {failure}")
                self._delay()

    def _delay(self) -> None:
        now = self._clock()
        self.young_deaths = self.young_deaths + 1 if now - self._born < YOUNG_S else 0
        delay = FIRST_DELAY_S * 2**self.young_deaths if self.young_deaths else 0.0
        self._due = now + min(delay, LONGEST_DELAY_S)


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    if process.returncode < 0:
        return f"was killed by {signal.Signals(-process.returncode).name}"
    return f"exited with status {process.returncode}"

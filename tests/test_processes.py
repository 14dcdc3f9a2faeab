"""Children: what they inherit, how they end, and when they are started again."""

import signal
import subprocess
import sys

import pytest

from gateway.processes import LONGEST_DELAY_S, YOUNG_S, StartFailed, Supervised, spawn, stop
from tests.support.processes import alive, until

WAIT_FOR_EVER = [sys.executable, "-c", "import signal; signal.pause()"]
DEAF = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()",
]
PARENT = f"""
from gateway.processes import spawn
print(spawn({WAIT_FOR_EVER!r}).pid, flush=True)
import signal; signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_dies_with_its_parent(number):
    """However the parent ends."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        assert alive(child)

        parent.send_signal(number)

    until(lambda: not alive(child), "the child's end")


def test_a_child_sees_none_of_our_settings():
    """They may be secrets, and a child gets what it needs another way."""
    environ = {"AIHUBMIX_API_KEY": "a", "GATEWAY_X": "b", "REDIS_URL_FILE": "c", "LANG": "C.UTF-8"}
    argv = [sys.executable, "-c", "import os; print(sorted(os.environ))"]
    child = spawn(argv, stdout=subprocess.PIPE, environ=environ)
    said = child.stdout.read().decode()
    stop(child, 10)

    assert "LANG" in said
    assert "AIHUBMIX" not in said
    assert "GATEWAY" not in said
    assert "REDIS" not in said


def test_ctrl_c_does_not_reach_a_child_directly():
    """A terminal signals the whole foreground group, and we end our children in our own order."""
    child = spawn([sys.executable, "-c", "import os; print(os.getpgid(0) == os.getpid())"], stdout=subprocess.PIPE)
    said = child.stdout.read()
    stop(child, 10)

    assert said == b"True\n"


def test_a_program_that_is_not_there_is_one_line():
    """The line names the program and the reason."""
    with pytest.raises(StartFailed, match=r"^cannot start /nonexistent: No such file or directory$"):
        spawn(["/nonexistent"])


def test_who_died_before_it_read_is_stopped_like_any_other():
    """A worker killed while it starts must not take its launcher along."""
    process = spawn([sys.executable, "-c", "pass"], stdin=subprocess.PIPE)
    process.wait()
    process.stdin.write(b"settings")
    with pytest.raises(BrokenPipeError):
        process.stdin.flush()

    stop(process, 0)

    assert process.stdin.closed


def test_who_does_not_listen_to_sigterm_is_killed():
    """`stop` always ends the process."""
    child = spawn(DEAF, stdout=subprocess.PIPE)
    child.stdout.readline()

    stop(child, 0.01)

    assert child.returncode == -signal.SIGKILL


class Nursery:
    """A supervised child that dies at once, under a clock that the test moves."""

    def __init__(self):
        self.now = 0.0
        self.starts = 0
        self.said = []
        self.fails = False
        self.child = Supervised("it", self.start, report=self.said.append, clock=lambda: self.now)

    def start(self):
        if self.fails:
            raise StartFailed("no room")
        self.starts += 1
        return spawn([sys.executable, "-c", "import sys; sys.exit(7)"])

    def die(self, age):
        self.child.process.wait()
        self.now += age
        self.child.tend()


def test_the_oftener_a_child_dies_young_the_later_it_is_started_again():
    """Delays double up to a limit, and nothing is started before they are over."""
    nursery = Nursery()
    nursery.child.start()
    delays = []
    for _ in range(9):
        nursery.die(age=0)
        started, began = nursery.starts, nursery.now
        while nursery.starts == started:
            nursery.now += 0.25
            nursery.child.tend()
        delays.append(nursery.now - began)

    assert delays == [0.5, 1, 2, 4, 8, 16, LONGEST_DELAY_S, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert nursery.said[0] == "it exited with status 7; starting it again"
    nursery.child.process.wait()


def test_a_child_that_lived_long_is_started_again_at_once():
    """One death after a long life is no reason to wait."""
    nursery = Nursery()
    nursery.child.start()
    nursery.die(age=0)
    nursery.now += 1
    nursery.child.tend()
    assert nursery.starts == 2

    nursery.die(age=YOUNG_S)

    assert nursery.starts == 3
    assert nursery.child.young_deaths == 0
    nursery.child.process.wait()


def test_a_failed_start_is_reported_and_tried_again():
    """What could not be started now may be startable later."""
    nursery = Nursery()
    nursery.child.start()
    nursery.fails = True
    nursery.die(age=YOUNG_S)
    assert nursery.said[-1] == "it: no room"

    nursery.fails = False
    nursery.now += LONGEST_DELAY_S
    nursery.child.tend()

    assert nursery.starts == 2
    nursery.child.process.wait()

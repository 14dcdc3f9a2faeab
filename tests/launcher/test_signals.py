"""Signals: an interruption at first, then a count; waits end early, and nothing is missed."""

import os
import select
import signal

import pytest

from gateway.launcher.signals import Signals


@pytest.fixture
def signals():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    with Signals() as held:
        yield held
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_signal_during_the_start_ends_it():
    """As an exception, so that what was started is stopped again."""
    with pytest.raises(SystemExit) as left:
        signal.raise_signal(signal.SIGTERM)

    assert left.value.code == 143


def test_a_signal_that_came_before_the_wait_ends_it(signals):
    """A signal between looking and waiting is not slept through: this wait would outlive the test's limit."""
    signals.hold()
    signal.raise_signal(signal.SIGTERM)

    signals.wait(3600)

    assert signals.stops == 1
    assert not signals.hurry
    assert select.select([signals._pipe[0]], [], [], 0)[0] == []  # or no later wait would wait


def test_a_childs_death_ends_the_wait(signals):
    """So that it is replaced at once."""
    signal.raise_signal(signal.SIGCHLD)

    signals.wait(3600)

    assert signals.stops == 0


def test_something_to_read_ends_the_wait(signals):
    """So that a worker's word is heard at once."""
    ours, theirs = os.pipe()
    os.close(theirs)

    signals.wait(3600, [ours])

    os.close(ours)


@pytest.mark.parametrize(
    ("numbers", "hurry"),
    [
        ([signal.SIGINT], False),
        ([signal.SIGINT, signal.SIGINT], True),
        ([signal.SIGTERM, signal.SIGINT], True),
        ([signal.SIGTERM, signal.SIGTERM], False),
    ],
)
def test_only_a_further_sigint_means_hurry(signals, numbers, hurry):
    """Supervisors may repeat SIGTERM; a person repeats Ctrl-C on purpose."""
    signals.hold()
    for number in numbers:
        signal.raise_signal(number)

    assert signals.hurry == hurry

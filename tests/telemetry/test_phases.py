"""Laps of work, and what a line tells of them."""

from gateway.telemetry.phases import Lap, Phases, longest_ms


def test_laps_are_kept_in_order():
    """Each with its own beginning and end, for spans need both."""
    phases = Phases()
    phases.lap("queue", 1.0, 1.5)
    phases.lap("queue", 1.0, 2.0)

    assert [Lap("queue", 1.0, 1.5), Lap("queue", 1.0, 2.0)] == phases.laps


def test_the_longest_lap_of_a_phase_is_told_in_milliseconds():
    """Parts that run beside each other do not add up; a lap of no time is told all the same."""
    laps = [Lap("upstream", 1.0, 3.0), Lap("upstream", 1.0, 1.2), Lap("store", 3.0, 3.0001), Lap("poll", 3.0, 3.0)]

    assert {"upstream": 2000.0, "store": 0.1, "poll": 0.0} == longest_ms(laps)

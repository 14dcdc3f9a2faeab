"""How long each step of a piece of work took."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Phase = Literal["admit", "queue", "upstream", "poll", "download", "transcode", "store", "settle"]


class Lap(NamedTuple):
    """One step, from when to when: seconds on a monotonic clock."""

    phase: Phase
    began: float
    ended: float


class Phases:
    """The laps of one request, or of one generation; parts that are made at the same time have laps of their own."""

    __slots__ = ("laps",)

    def __init__(self) -> None:
        self.laps: list[Lap] = []

    def lap(self, phase: Phase, began: float, ended: float) -> None:
        """Note a step that is over."""
        self.laps.append(Lap(phase, began, ended))


def milliseconds(seconds: float) -> float:
    """Give a time in milliseconds, to a tenth; `round` takes twice as long, for exact ties that no clock makes."""
    return int(seconds * 10_000 + 0.5) / 10


def longest_ms(laps: Iterable[Lap]) -> dict[str, float]:
    """Tell for each phase how long its longest lap took, in milliseconds: others ran beside it."""
    longest: dict[str, float] = {}
    for phase, began, ended in laps:
        took = ended - began
        if took >= longest.get(phase, 0.0):
            longest[phase] = took
    return {phase: milliseconds(took) for phase, took in longest.items()}

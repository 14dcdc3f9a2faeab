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


def longest_ms(laps: Iterable[Lap]) -> dict[str, float]:
    """Tell for each phase how long its longest lap took, in milliseconds: others ran beside it."""
    longest: dict[str, float] = {}
    for phase, began, ended in laps:
        took = round((ended - began) * 1000, 1)
        if took >= longest.get(phase, 0.0):
            longest[phase] = took
    return longest

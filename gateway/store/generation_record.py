"""One generation as its record in Redis tells it, for operators."""

from collections.abc import Mapping

import msgspec

from gateway.store.journal import PartState, State


class Part(msgspec.Struct, frozen=True):
    """One upstream call: `asked` images, and what became of them. `cost` is in micro-dollars."""

    state: PartState
    asked: int
    images: int
    cost: int
    task: str


class GenerationRecord(msgspec.Struct, frozen=True):
    """Times are unix ms, money is micro-dollars.

    `estimate` is what was reserved (None: the model has no price), `cost` what was booked at the end. Of one under
    way, `lease_until` says for how long its worker holds it. `epoch` counts the workers that had it. `left` is when
    its client went, `resolved` when an operator settled its unknown outcome.
    """

    id: str
    team: str
    key: str
    model: str
    user: str
    state: State
    epoch: int
    parts: tuple[Part, ...]
    at: int
    n: int
    estimate: int | None
    images: int
    cost: int
    ended: int | None
    left: int | None
    resolved: int | None
    lease_until: int | None
    error: str | None

    @property
    def unknown(self) -> int:
        """How many images may have been made and charged, but never arrived."""
        return sum(part.asked for part in self.parts if part.state == "unknown")


def from_hash(name: str, team: str, held: Mapping[str, str], lease_until: float | None = None) -> GenerationRecord:
    """Read a record; `lua/journal.lua` names its fields."""
    counts = msgspec.json.decode(held["counts"], type=list[int])
    parts = tuple(
        Part(
            state=held[f"p{index}"],  # type: ignore[arg-type]
            asked=asked,
            images=int(held.get(f"m{index}", "0")),
            cost=int(held.get(f"c{index}", "0")),
            task=held.get(f"t{index}", ""),
        )
        for index, asked in enumerate(counts, 1)
    )
    return GenerationRecord(
        id=name,
        team=team,
        key=held["key"],
        model=held["model"],
        user=held.get("user", ""),
        state=held["state"],  # type: ignore[arg-type]
        epoch=int(held["epoch"]),
        parts=parts,
        at=int(held["at"]),
        n=int(held["n"]),
        estimate=_number(held, "estimate"),
        images=int(held.get("images", "0")),
        cost=int(held.get("cost", "0")),
        ended=_number(held, "ended"),
        left=_number(held, "left"),
        resolved=_number(held, "resolved"),
        lease_until=None if lease_until is None else int(lease_until),
        error=held.get("error"),
    )


def _number(held: Mapping[str, str], name: str) -> int | None:
    return int(held[name]) if held.get(name) else None

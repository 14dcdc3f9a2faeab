"""The words of a generation's life: what is asked of a ledger, and what it answers."""

from collections.abc import Iterable
from typing import Literal, Protocol

import msgspec

PartState = Literal["reserved", "sent", "submitted", "delivered", "failed", "unknown", "dropped"]
State = Literal["open", "delivered", "failed", "unknown", "void"]


class Rules(msgspec.Struct, frozen=True):
    """What the operator has set. All times are in the unit of their suffix."""

    lease_ms: int
    join: Literal["all", "retries"]
    charge_unknown: bool
    retention_days: int
    unclaimed_s: int
    tombstone_s: int
    dispute_s: int
    idempotency_s: int
    outcome_s: int = 60  # how long those who wait can learn how it ended
    claim_ms: int = 60_000  # how long one without a retry count may claim what its client left
    late_ms: int = 5_000  # after which a client that was not answered will not be


class Admission(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request for one generation.

    `counts` are the images of each part, `estimate` micro-dollars (absent: the model has no price), `plan` is opaque.
    `shared` allows a cached or running generation as the answer, `stores` keeps this one for others, `anew` insists
    on buying even where an outcome is unknown. `missing` names a generation whose bytes turned out to be gone.
    """

    id: str
    key: str
    model: str
    fp: str
    n: int
    counts: tuple[int, ...]
    plan: str
    ttl_s: int
    estimate: int | None = None
    user: str = ""
    shared: bool = False
    stores: bool = False
    anew: bool = False
    retry: bool = False
    max_age_s: int | None = None
    idempotency: str = ""
    body: str = ""
    missing: str = ""


class Allowance(msgspec.Struct, frozen=True):
    """What the narrower of a key's and its team's limits still allows."""

    limit: int
    remaining: int
    reset_ms: int


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a request.

    lead      make it: reserved and leased          join     wait for `generation`, which is being made
    hit       the cache's `results`                 replay   the `results` of an earlier request of the same client
    unknown   `generation` may have been charged    gone     the idempotency key's pictures are no longer there
    conflict  the idempotency key had another body  denied   by `limit` of `scope`, `retry_ms` ahead
    refused   for the reason `why`: unknown, revoked or expired key, model, or price
    """

    kind: Literal["lead", "join", "hit", "replay", "unknown", "gone", "conflict", "denied", "refused"]
    generation: str = ""
    epoch: int = 0
    shared: bool = False
    claimed: bool = False
    ttl_s: int = 0
    results: str = ""
    age_ms: int = 0
    why: Literal["", "unknown", "revoked", "expired", "model", "price"] = ""
    at: int = 0
    models: str = ""
    limit: Literal["", "requests_per_minute", "images_per_day", "budget_per_month", "max_concurrent"] = ""
    scope: Literal["", "key", "team"] = ""
    allowed: int = 0
    remaining: int = 0
    retry_ms: int = 0
    requests: Allowance | None = None
    images: Allowance | None = None


class PartReport(msgspec.Struct, frozen=True):
    """What became of one part, counted from 1. `cost` and `spare` are micro-dollars, the latter paid in vain."""

    part: int
    state: PartState
    images: int = 0
    cost: int = 0
    spare: int = 0
    result: str = ""


class Booked(msgspec.Struct, frozen=True):
    """What one call moved in the books: images delivered and unknown, `cost` in micro-dollars.

    A picture that comes after all takes from `unknown`.
    """

    images: int
    cost: int
    unknown: int


class Settled(msgspec.Struct, frozen=True):
    """How a generation stands after a report; `cost` is in micro-dollars.

    `booked` is what this very report moved, None where it moved nothing or another one had before. The repetition of a
    report is told what that moved, since its reply may have been lost: count what a call returns once.
    """

    state: State
    images: int
    cost: int
    ended: bool
    booked: Booked | None = None


class Resolved(msgspec.Struct, frozen=True):
    """How a dispute ended, in micro-dollars; `state` is the one before, and only from `unknown` is there a way.

    The parts of unknown outcome were booked at `was` and are at `charged` now; `cost` is that of the whole generation,
    in the window `month` (YYYYMM).
    """

    state: Literal["unknown", "resolved", "absent", "open", "delivered", "failed", "void"]
    was: int = 0
    charged: int = 0
    cost: int = 0
    month: str = ""

    @property
    def cost_before(self) -> int:
        """What the whole generation was booked at before, in micro-dollars."""
        return self.cost - self.charged + self.was


class Taken(msgspec.Struct, frozen=True):
    """A generation taken over: `tasks` by part that are to be collected, and how many parts became unknown by it."""

    id: str
    team: str
    key: str
    epoch: int
    plan: str
    tasks: dict[int, str]
    age_ms: int
    unknown_parts: int = 0


class Expired(msgspec.Struct, frozen=True):
    """A generation that ended because nobody held it any more.

    `unknown_parts` became unknown by that; nothing is `booked` of one that was never sent.
    """

    id: str
    model: str
    state: State
    unknown_parts: int = 0
    booked: Booked | None = None


class Ending(msgspec.Struct, frozen=True):
    """How a generation stands, for those who wait for it; `results` is a JSON array, None where bytes are not kept."""

    state: State
    results: str | None = None
    error: str | None = None


class Journal(Protocol):
    """What the making of a generation needs of a ledger: of Redis's, or of the one that stands in for it."""

    rules: Rules
    books_at_once: bool
    """False where what is settled is in no books yet, nor in the budget of the gateway."""

    async def mark(
        self,
        team: str,
        generation: str,
        epoch: int,
        part: int,
        state: PartState,
        *,
        task: str = "",
        unless_abandoned: bool = False,
        turn: int = 0,
    ) -> Literal["ok", "lost", "abandoned"]:
        """Write a part's state down and renew the lease; with `unless_abandoned` only if somebody else waits.

        `turn` counts the marks of a part: one that was delayed on its way does not undo a later one.
        """
        ...

    async def settle(
        self, team: str, generation: str, epoch: int, parts: Iterable[PartReport], error: bytes = b""
    ) -> Settled:
        """Take in what became of parts; the last one ends the generation. Repeating it changes nothing."""
        ...

    async def left(self, team: str, generation: str) -> None:
        """Note that the client of a generation is gone."""
        ...

    async def reset(self, team: str, generation: str) -> None:
        """Note that the client has reset the connection on which it was answered: its retry may claim the pictures."""
        ...

    async def answered(self, team: str, generation: str) -> None:
        """Note that the client of a generation has its pictures, so that no retry needs to claim them."""
        ...

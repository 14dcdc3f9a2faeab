"""A generation that this worker makes, and the gate through which each of its purchases goes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from gateway.catalog import Model
from gateway.errors import GatewayError, Unavailable
from gateway.generation.outcome import Outcome
from gateway.generation.plan import Brief
from gateway.store.connection import RedisTrouble, redis_needed
from gateway.store.journal import Journal, Settled
from gateway.telemetry.phases import Phases

Stage = Literal["reserved", "sent", "submitted", "settling", "done"]

_ENOUGH_LEASE = 0.5  # of a whole one: with less, another worker might take over before upstream has the call


class Generation:
    """Who stops waiting for its task must not cancel it.

    Its pictures are kept for `kept_s` seconds. `waiting` counts the clients of this worker. It `is_whole` where all of
    its parts are made here, and none was delivered by a worker before.
    `lease_ends` is on this worker's monotonic clock, in seconds.
    """

    task: asyncio.Task[Outcome]

    def __init__(
        self,
        generation_id: str,
        brief: Brief,
        model: Model,
        *,
        ledger: Journal,
        team: str,
        key_id: str,
        epoch: int,
        lease_ends: float,
        kept_s: float,
    ) -> None:
        self.id = generation_id
        self.brief = brief
        self.model = model
        self.ledger = ledger
        self.team = team
        self.key_id = key_id
        self.epoch = epoch
        self.lease_ends = lease_ends
        self.kept_s = kept_s
        self.waiting = 0
        self.is_handed_over = False
        self.is_whole = True
        self.failure: GatewayError | None = None
        self.phases = Phases()
        self.settled: Settled | None = None  # once it has ended in its ledger
        self.stages: list[Stage] = ["reserved"] * len(brief.counts)

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody here waits for it and nothing was bought yet."""
        return self.waiting == 0 and all(stage == "reserved" for stage in self.stages)

    @property
    def is_repeated(self) -> bool:
        """Whether it was settled here in vain: somebody else had, and that is in the books."""
        return self.settled is not None and self.settled.booked is None and self.ledger.books_at_once

    @property
    def only_has_tasks(self) -> bool:
        """Whether all that is missing could as well be collected by another worker."""
        return "submitted" in self.stages and set(self.stages) <= {"submitted", "done"}


class Gate:
    """Lets one part (counted from 0) through, step by step, as long as its generation is ours."""

    def __init__(
        self,
        generation: Generation,
        part: int,
        *,
        clock: Callable[[], float],
        insist: Callable[[Callable[[], Coroutine[Any, Any, object]]], None],
    ) -> None:
        self._generation = generation
        self._part = part
        self._turn = 0
        self._clock = clock
        self._insist = insist
        self.accepted_at: float | None = None  # on the same clock

    async def sending(self) -> None:
        """Write `sent` down. Raises Unavailable where the call must not go out."""
        generation = self._generation
        began = self._clock()
        lease_s = generation.ledger.rules.lease_ms / 1000
        with redis_needed():
            told = await self._mark("sent", unless_abandoned=generation.is_abandoned)
        if told == "abandoned":
            raise Unavailable(
                "Its client left while it waited for its turn; nothing was bought. Try again.", code="server_overloaded"
            )
        if told == "lost" or self._clock() - began > lease_s * _ENOUGH_LEASE:
            raise Unavailable(
                "This worker was too slow and another may have taken over; nothing was bought. Try again.",
                code="lease_lost",
            )
        generation.lease_ends = began + lease_s
        generation.stages[self._part] = "sent"

    async def refused(self) -> None:
        """Write down that nothing was bought yet; while the store is away that waits for the next step."""
        self._generation.stages[self._part] = "reserved"
        try:
            await self._mark("reserved")
        except RedisTrouble:
            return

    async def accepted(self, task: str) -> None:
        """Write the task down, if need be later: it is paid for. Until then nobody else could collect it."""
        self.accepted_at = self._clock()

        async def write() -> None:
            await self._mark("submitted", task=task)
            if self._generation.stages[self._part] == "sent":
                self._generation.stages[self._part] = "submitted"

        try:
            await write()
        except RedisTrouble:
            self._insist(write)

    async def _mark(
        self, state: Literal["reserved", "sent", "submitted"], *, task: str = "", unless_abandoned: bool = False
    ) -> str:
        generation = self._generation
        self._turn += 1
        return await generation.ledger.mark(
            generation.team,
            generation.id,
            generation.epoch,
            self._part + 1,
            state,
            task=task,
            unless_abandoned=unless_abandoned,
            turn=self._turn,
        )

"""Making a generation's pictures: every part bought, brought in, stored and settled."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dialects import DIALECTS
from gateway.dialects.base import Result, Usage
from gateway.errors import GatewayError, OutcomeUnknown, UpstreamFailed
from gateway.generation.archive import Archive
from gateway.generation.delivery import Delivery, together
from gateway.generation.driver import Driver
from gateway.generation.generation import Gate, Generation
from gateway.generation.limits import Slots
from gateway.generation.outcome import Outcome, record
from gateway.generation.pictures import NoPicture, Picture
from gateway.generation.plan import Part
from gateway.store.connection import NotDurable, RedisTrouble
from gateway.store.journal import PartReport, PartState
from gateway.telemetry.events import (
    BookingDelayed,
    Emit,
    GenerationBooked,
    PartFailed,
    SurplusDropped,
    fault_in,
    outcome_of,
)

Buy = Callable[[Generation, int, Gate], Awaitable[Result]]

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Bought:
    pictures: list[Picture]
    usage: Usage | None
    cost: int | None


class Maker:
    """Makes generations. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        driver: Driver,
        delivery: Delivery,
        archive: Archive,
        *,
        slots: Slots,
        clock: Callable[[], float],
        emit: Emit,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._driver = driver
        self._delivery = delivery
        self._archive = archive
        self._slots = slots
        self._clock = clock
        self._emit = emit
        self._sleep = sleep
        self._insisting: set[asyncio.Task[None]] = set()

    def buying(self, parts: Sequence[Part]) -> Buy:
        """Buy the parts of a plan."""

        async def buy(generation: Generation, index: int, gate: Gate) -> Result:
            model = generation.model
            return await self._driver.run(DIALECTS[model.dialect], model, parts[index].payload, gate)

        return buy

    def collecting(self, tasks: dict[int, str], within_s: float) -> Buy:
        """Collect tasks, by part counted from 0, that another worker bought."""

        async def collect(generation: Generation, index: int, _: Gate) -> Result:
            model = generation.model
            return await self._driver.collect(DIALECTS[model.dialect], model, tasks[index], within_s)

        return collect

    async def make(self, generation: Generation, parts: Sequence[int], buy: Buy) -> Outcome:
        """Make these parts, counted from 0, at once; those that succeed are delivered, if only one does.

        Where none does, a failure that invites a retry gives way to one that does not: a retry repeats all parts,
        and another one may have been charged.
        """
        done = await together([self._part(generation, index, buy) for index in parts])
        bought = [item for item in done if item is not None]
        if not bought:
            raise generation.failure or UpstreamFailed("The picture could not be made.")
        pictures = [picture for part in bought for picture in part.pictures]
        usages = [part.usage for part in bought if part.usage is not None]
        costs = [part.cost for part in bought]
        cost = generation.settled.cost if generation.settled else sum(cost or 0 for cost in costs)
        return Outcome(pictures, sum(usages, start=Usage()) if usages else None, None if None in costs else cost)

    async def drop(self, generation: Generation) -> None:
        """Give the reservation of a generation back that will not be made here."""
        await self._report(generation, [PartReport(part + 1, "dropped") for part in range(len(generation.stages))])

    async def settled(self) -> None:
        """Wait until all that could not be booked at once has been."""
        while self._insisting:
            await asyncio.wait(self._insisting)

    async def _part(self, generation: Generation, index: int, buy: Buy) -> _Bought | None:
        try:
            bought, spare = await self._bring_in(generation, index, buy)
        except Exception as error:  # noqa: BLE001  whatever it is, the other parts' pictures are paid for
            await self._failed(generation, index, error)
            return None
        generation.stages[index] = "settling"
        began = self._clock()
        kept = await self._archive.keep(bought.pictures, bought.usage, generation.kept_s)
        generation.phases.lap("store", began, self._clock())
        images, cost = len(bought.pictures), bought.cost or 0
        report = PartReport(index + 1, "delivered", images, cost, spare, kept)
        await self._report(generation, [report])
        generation.stages[index] = "done"
        return bought

    async def _bring_in(self, generation: Generation, index: int, buy: Buy) -> tuple[_Bought, int]:
        """Buy one part; more images than asked for are spares for those that cannot be had, then cut."""
        count = generation.brief.counts[index]
        result = await self._bought(generation, index, buy)
        surplus = max(len(result.images) - count, 0)
        if surplus:
            self._emit(SurplusDropped(generation.model.id, surplus))
        received = await self._delivery.receive(result.images, generation.brief.encoding, generation.phases)
        pictures = received[:count]
        cost = _cost(generation, pictures, result.usage)
        return _Bought(pictures, result.usage, cost), _cost_of(generation, surplus)

    async def _bought(self, generation: Generation, index: int, buy: Buy) -> Result:
        gate, phases = self._gate(generation, index), generation.phases
        is_bought_here = generation.stages[index] == "reserved"
        began = self._clock()
        async with self._slots.slot(generation.model):
            placed = self._clock()
            phases.lap("queue", began, placed)
            try:
                return await buy(generation, index, gate)
            finally:
                ended = self._clock()
                accepted = gate.accepted_at if is_bought_here else placed
                if is_bought_here:
                    phases.lap("upstream", placed, ended if accepted is None else accepted)
                if accepted is not None:
                    phases.lap("poll", accepted, ended)

    async def _failed(self, generation: Generation, index: int, error: Exception) -> None:
        self._emit(PartFailed(generation.model.id, outcome_of(error), fault_in(error)))
        was_sent = generation.stages[index] in {"sent", "submitted"}
        failure = error if isinstance(error, GatewayError) else _broken_down()
        is_unknown = isinstance(failure, OutcomeUnknown) or (was_sent and not isinstance(error, GatewayError))
        generation.stages[index] = "settling"
        if generation.failure is None or (generation.failure.should_retry and not failure.should_retry):
            generation.failure = failure
        in_vain = isinstance(failure, NoPicture) or failure.code == "download_failed"
        spare = _cost_of(generation, generation.brief.counts[index]) if in_vain else 0
        state: PartState = "unknown" if is_unknown else "failed" if was_sent else "dropped"
        report = PartReport(index + 1, state, spare=spare)
        await self._report(generation, [report], record(generation.failure))
        generation.stages[index] = "done"

    async def _report(self, generation: Generation, reports: list[PartReport], error: bytes = b"") -> None:
        """Settle what became of parts; while the store does not answer, later: nobody is kept waiting for that."""

        async def settle() -> None:
            settled = await generation.ledger.settle(generation.team, generation.id, generation.epoch, reports, error)
            if settled.ended and (generation.settled is None or settled.booked is not None):
                generation.settled = settled
            if settled.booked is not None:
                booked = settled.booked
                self._emit(GenerationBooked(generation.team, generation.model.id, booked.images, booked.cost))

        began = self._clock()
        try:
            await settle()
        except RedisTrouble:
            self._emit(BookingDelayed(generation.id))
            self._insist(settle)
        finally:
            generation.phases.lap("settle", began, self._clock())

    def _gate(self, generation: Generation, index: int) -> Gate:
        return Gate(generation, index, clock=self._clock, insist=self._insist)

    def _insist(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Do something until the store has taken it."""
        task = asyncio.get_running_loop().create_task(self._until_taken(work))
        self._insisting.add(task)
        task.add_done_callback(self._insisting.discard)

    async def _until_taken(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            await self._sleep(pause)
            try:
                await work()
            except NotDurable:
                return  # it is booked, and what no replica has yet no repetition will bring to one
            except RedisTrouble:
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                return


def _broken_down() -> GatewayError:
    """Make the answer to a fault of our own; SDKs repeat a 500 unless told otherwise, and this may be paid for."""
    return GatewayError(
        "The gateway failed while the picture was being made; the fault is logged under the generation id. It may have "
        "been charged, so the request is not to be repeated automatically.",
        should_retry=False,
    )


def _cost(generation: Generation, pictures: list[Picture], usage: Usage | None) -> int | None:
    """Micro-dollars of what was delivered: by tokens where upstream counts them and the row prices them."""
    price, brief = generation.model.price, generation.brief
    if price is None:
        return None
    if usage is not None and usage.total_tokens:
        by_tokens = price.of_tokens(usage.text_input_tokens, usage.image_input_tokens, usage.output_tokens)
        if by_tokens is not None:
            return by_tokens
    return sum(price.dearest(brief.quality, brief.size or f"{p.width}x{p.height}") for p in pictures)


def _cost_of(generation: Generation, images: int) -> int:
    """Micro-dollars that upstream probably charges for so many images that nobody gets."""
    price, brief = generation.model.price, generation.brief
    return 0 if price is None else price.dearest(brief.quality, brief.size) * images

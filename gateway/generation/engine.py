"""One generation's life: a task of the application, not of the request that started it."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.dialects.base import Usage
from gateway.errors import GatewayError, OutcomeUnknown, Unavailable, UpstreamFailed
from gateway.generation.delivery import Delivery, together
from gateway.generation.driver import Driver
from gateway.generation.limits import Circuits, Slots
from gateway.generation.pictures import Picture
from gateway.generation.plan import Part, Plan
from gateway.generation.unclaimed import Unclaimed
from gateway.telemetry.events import (
    Emit,
    GenerationFinished,
    PartFailed,
    SurplusDropped,
    fault_in,
    outcome_of,
)
from gateway.telemetry.log import tag


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a generation delivered. `cost` is in micro-dollars, None where the model has no price."""

    pictures: list[Picture]
    usage: Usage | None
    cost: int | None


class Generation:
    """A generation under way. Who stops waiting for its task must not cancel it."""

    task: asyncio.Task[Outcome]

    def __init__(self, plan: Plan, *, team: str, key_id: str) -> None:
        self.id = f"gen_{secrets.token_hex(12)}"
        self.plan = plan
        self.team = team
        self.key_id = key_id
        self.is_awaited = True
        self.has_begun = False

    @property
    def failed_cleanly(self) -> bool:
        """Whether it ended without a picture and without a chance that one was paid for."""
        failure = self.task.exception() if self.task.done() else None
        return failure is not None and not isinstance(failure, UpstreamFailed | OutcomeUnknown)


@dataclass(frozen=True, slots=True)
class _Bought:
    pictures: list[Picture]
    usage: Usage | None


class Generations:
    """Starts generations and keeps hold of them until they end. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        driver: Driver,
        delivery: Delivery,
        *,
        slots: Slots,
        circuits: Circuits,
        unclaimed: Unclaimed[Generation],
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._driver = driver
        self._delivery = delivery
        self._slots = slots
        self._circuits = circuits
        self._unclaimed = unclaimed
        self._clock = clock
        self._emit = emit
        self._running: set[asyncio.Task[Outcome]] = set()
        self._closing = False

    def start(self, plan: Plan, *, team: str, key_id: str, is_retry: bool) -> Generation:
        """Begin to make a plan's pictures, or take up the same wish of the same key whose client has left.

        Raises:
            Unavailable: the model keeps failing, the queue is full, or this process is shutting down.

        """
        if left := self._claim(plan, key_id, is_retry=is_retry):
            return left
        if self._closing:
            raise Unavailable("This worker is shutting down; nothing was bought. Try again.", code="draining")
        self._circuits.check(plan.model)
        give_back = self._slots.place(plan.model, len(plan.parts))
        generation = Generation(plan, team=team, key_id=key_id)
        generation.task = asyncio.get_running_loop().create_task(self._run(generation), name=generation.id)
        self._running.add(generation.task)
        generation.task.add_done_callback(self._ended)
        generation.task.add_done_callback(lambda _: give_back())
        return generation

    def leave(self, generation: Generation) -> None:
        """Let a generation go on without its client, who may come back for it; unless it has not begun."""
        generation.is_awaited = False
        self._unclaimed.leave(generation.key_id, generation.plan.fingerprint, generation)
        asyncio.get_running_loop().call_later(self._unclaimed.kept_s + 1, self._unclaimed.sweep)

    def _claim(self, plan: Plan, key_id: str, *, is_retry: bool) -> Generation | None:
        while self._unclaimed:
            left = self._unclaimed.claim(key_id, plan.fingerprint, is_retry=is_retry)
            if left is None:
                return None
            if not left.failed_cleanly:
                left.is_awaited = True
                return left
        return None

    async def drain(self) -> None:
        """Take on nothing new and wait until all that is paid for has arrived."""
        self._closing = True
        while self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # the client may have left: nobody else may ask for it

    async def _run(self, generation: Generation) -> Outcome:
        tag(generation_id=generation.id)
        plan = generation.plan
        started = self._clock()
        outcome: Outcome | None = None
        failure: BaseException | None = None
        try:
            with self._circuits.through(plan.model):
                outcome = await self._make(generation)
        except BaseException as error:
            failure = error
            raise
        finally:
            self._emit(
                GenerationFinished(
                    generation_id=generation.id,
                    team=generation.team,
                    key_id=generation.key_id,
                    model=plan.model.id,
                    outcome=outcome_of(failure),
                    asked=plan.n,
                    delivered=len(outcome.pictures) if outcome else 0,
                    cost_micro_usd=outcome.cost if outcome else None,
                    seconds=self._clock() - started,
                )
            )
        return outcome

    async def _make(self, generation: Generation) -> Outcome:
        """Make all parts at once; those that succeed are delivered, if only one does.

        Where none does, a failure that invites a retry gives way to one that does not: a retry repeats all parts,
        and another one may have been charged.
        """
        plan = generation.plan
        done = await together([self._part(generation, part) for part in plan.parts])
        bought = [item for item in done if isinstance(item, _Bought)]
        if not bought:
            raise min((item for item in done if isinstance(item, GatewayError)), key=lambda e: e.should_retry is True)
        pictures = [picture for part in bought for picture in part.pictures]
        usages = [part.usage for part in bought if part.usage is not None]
        return Outcome(pictures, sum(usages, start=Usage()) if usages else None, _cost(plan, pictures))

    async def _part(self, generation: Generation, part: Part) -> _Bought | GatewayError:
        try:
            return await self._buy(generation, part)
        except Exception as error:  # noqa: BLE001  whatever it is, the other parts' pictures are paid for
            self._emit(PartFailed(generation.plan.model.id, outcome_of(error), fault_in(error)))
            return error if isinstance(error, GatewayError) else _broken_down()

    async def _buy(self, generation: Generation, part: Part) -> _Bought:
        """Buy one part; more images than asked for are spares for those that cannot be had, then cut."""
        plan = generation.plan
        async with self._slots.slot(plan.model):
            if not (generation.is_awaited or generation.has_begun):
                raise Unavailable("Its client left while it waited for its turn; nothing was bought.")
            generation.has_begun = True
            result = await self._driver.run(plan.dialect, plan.model, part.payload)
        surplus = len(result.images) - part.count
        if surplus > 0:
            self._emit(SurplusDropped(plan.model.id, surplus))
        pictures = await self._delivery.receive(result.images, plan.encoding)
        return _Bought(pictures[: part.count], result.usage)


def _broken_down() -> GatewayError:
    """Make the answer to a fault of our own; SDKs repeat a 500 unless told otherwise, and this may be paid for."""
    return GatewayError(
        "The gateway failed while the picture was being made; the fault is logged under the generation id. It may have "
        "been charged, so the request is not to be repeated automatically.",
        should_retry=False,
    )


def _cost(plan: Plan, pictures: list[Picture]) -> int | None:
    price = plan.model.price
    if price is None:
        return None
    return sum(price.dearest(plan.quality, plan.size or f"{p.width}x{p.height}") for p in pictures)

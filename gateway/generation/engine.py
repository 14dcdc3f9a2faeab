"""One generation's life: a task of the application, not of the request that started it."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.dialects.base import Usage
from gateway.errors import GatewayError, Unavailable
from gateway.generation.delivery import Delivery
from gateway.generation.driver import Driver
from gateway.generation.pictures import Picture
from gateway.generation.plan import Part, Plan
from gateway.telemetry.events import Emit, GenerationFinished


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a generation delivered. `cost` is in micro-dollars, None where the model has no price."""

    pictures: list[Picture]
    usage: Usage | None
    cost: int | None


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation under way."""

    id: str
    plan: Plan
    task: asyncio.Task[Outcome] = field(repr=False)

    async def outcome(self) -> Outcome:
        """Wait for the pictures; who stops waiting stops nothing.

        Raises:
            GatewayError: no picture could be had.

        """
        return await asyncio.shield(self.task)


@dataclass(frozen=True, slots=True)
class _Bought:
    pictures: list[Picture]
    usage: Usage | None


class Generations:
    """Starts generations and keeps hold of them until they end. `clock` is monotonic, in seconds."""

    def __init__(self, driver: Driver, delivery: Delivery, *, clock: Callable[[], float], emit: Emit) -> None:
        self._driver = driver
        self._delivery = delivery
        self._clock = clock
        self._emit = emit
        self._running: set[asyncio.Task[Outcome]] = set()
        self._closing = False

    def start(self, plan: Plan, *, team: str, key_id: str) -> Generation:
        """Begin to make a plan's pictures.

        Raises:
            Unavailable: this process is shutting down and takes on nothing new.

        """
        if self._closing:
            raise Unavailable("This worker is shutting down; nothing was bought. Try again.", code="draining")
        generation_id = f"gen_{secrets.token_hex(12)}"
        task = asyncio.get_running_loop().create_task(self._run(generation_id, plan, team, key_id), name=generation_id)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return Generation(generation_id, plan, task)

    async def drain(self) -> None:
        """Take on nothing new and wait until all that is paid for has arrived."""
        self._closing = True
        while self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # the client may have left: nobody else may ask for it

    async def _run(self, generation_id: str, plan: Plan, team: str, key_id: str) -> Outcome:
        started = self._clock()
        outcome: Outcome | None = None
        failure: BaseException | None = None
        try:
            outcome = await self._make(plan)
        except BaseException as error:
            failure = error
            raise
        finally:
            self._emit(
                GenerationFinished(
                    generation_id=generation_id,
                    team=team,
                    key_id=key_id,
                    model=plan.model.id,
                    outcome=_word(failure),
                    asked=plan.n,
                    delivered=len(outcome.pictures) if outcome else 0,
                    cost_micro_usd=outcome.cost if outcome else None,
                    seconds=self._clock() - started,
                    error=None if failure is None or isinstance(failure, GatewayError) else failure,
                )
            )
        return outcome

    async def _make(self, plan: Plan) -> Outcome:
        """Make all parts at once; those that succeed are delivered, if only one does."""
        done = await asyncio.gather(*(self._buy(plan, part) for part in plan.parts), return_exceptions=True)
        bought = [item for item in done if isinstance(item, _Bought)]
        if not bought:
            raise next(item for item in done if isinstance(item, BaseException))
        pictures = [picture for part in bought for picture in part.pictures]
        usages = [part.usage for part in bought if part.usage is not None]
        return Outcome(pictures, sum(usages, start=Usage()) if usages else None, _cost(plan, pictures))

    async def _buy(self, plan: Plan, part: Part) -> _Bought:
        """Buy one part; more images than asked for are cut to what was asked."""
        result = await self._driver.run(plan.dialect, plan.model, part.payload)
        pictures = await self._delivery.receive(result.images[: part.count], plan.encoding)
        return _Bought(pictures, result.usage)


def _word(failure: BaseException | None) -> str:
    if failure is None:
        return "delivered"
    return (failure.code or "error") if isinstance(failure, GatewayError) else "internal_error"


def _cost(plan: Plan, pictures: list[Picture]) -> int | None:
    price = plan.model.price
    if price is None:
        return None
    return sum(price.dearest(plan.quality, plan.size or f"{p.width}x{p.height}") for p in pictures)

"""What this worker is making: each generation a task of the application, not of the request that started it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.errors import Unavailable
from gateway.generation.generation import Generation
from gateway.generation.outcome import Outcome
from gateway.generation.ticket import hear
from gateway.store.journal import Journal
from gateway.telemetry.events import Emit, GenerationFinished, GenerationStarted, outcome_of
from gateway.telemetry.log import tag


class Running:
    """Keeps hold of generations until they end. `clock` is monotonic, in seconds."""

    def __init__(self, *, clock: Callable[[], float], emit: Emit) -> None:
        self._clock = clock
        self._emit = emit
        self._held: dict[str, Generation] = {}

    def launch(self, generation: Generation, make: Coroutine[Any, Any, Outcome], *, then: Callable[[], None]) -> None:
        """Begin to make a generation; `then` is called when it has ended, however it does."""

        def ended(task: asyncio.Task[Outcome]) -> None:
            if self._held.get(generation.id) is generation:
                del self._held[generation.id]
            hear(task)
            then()

        generation.task = asyncio.get_running_loop().create_task(self._run(generation, make), name=generation.id)
        self._held[generation.id] = generation
        generation.task.add_done_callback(ended)

    def find(self, generation_id: str) -> Generation | None:
        """Give a generation that is made here, and will be: all of it."""
        generation = self._held.get(generation_id)
        return generation if generation and generation.is_whole and not generation.is_handed_over else None

    def under(self, ledger: Journal) -> list[Generation]:
        """List what is made under a ledger's leases."""
        return [generation for generation in self._held.values() if generation.ledger is ledger]

    def hand_over(self, ledger: Journal) -> list[Generation]:
        """Stop waiting for all that other workers could collect as well; returns it."""
        given = [generation for generation in self.under(ledger) if generation.only_has_tasks]
        for generation in given:
            generation.is_handed_over = True
            generation.task.cancel()
        return given

    async def ended(self) -> None:
        """Wait until there is nothing left."""
        while self._held:
            await asyncio.wait([generation.task for generation in self._held.values()])

    async def _run(self, generation: Generation, make: Coroutine[Any, Any, Outcome]) -> Outcome:
        tag(generation_id=generation.id)
        self._emit(GenerationStarted(generation.model.id))
        started = self._clock()
        outcome: Outcome | None = None
        failure: BaseException | None = None
        try:
            outcome = await make
        except asyncio.CancelledError as cancelled:
            failure = cancelled
            if generation.is_handed_over:
                raise Unavailable(
                    "This worker is shutting down and another one collects the picture. Send the same request again.",
                    code="draining",
                ) from None
            raise
        except BaseException as error:
            failure = error
            raise
        finally:
            usage = outcome.usage if outcome else None
            settled = generation.settled
            made = len(outcome.pictures) if outcome else 0
            self._emit(
                GenerationFinished(
                    generation_id=generation.id,
                    team=generation.team,
                    key_id=generation.key_id,
                    model=generation.model.id,
                    outcome="handed_over" if generation.is_handed_over else outcome_of(failure),
                    asked=generation.brief.n,
                    delivered=settled.images if settled else made,
                    cost_micro_usd=outcome.cost if outcome else settled.cost if settled else None,
                    seconds=self._clock() - started,
                    laps=generation.phases.laps,
                    input_tokens=usage.input_tokens if usage else None,
                    output_tokens=usage.output_tokens if usage else None,
                    adopted=generation.epoch > 1,
                    repeated=generation.is_repeated,
                )
            )
        return outcome

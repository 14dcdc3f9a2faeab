"""The life of generations: admitted, led or joined or replayed, and independent of the request that started them."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal

import msgspec

from gateway.catalog import Catalog, Model
from gateway.errors import GatewayError, NotFound, OutcomeUnknown, Unavailable, UpstreamFailed
from gateway.generation.admission import Wish, admission, refusal
from gateway.generation.archive import Archive, Gone
from gateway.generation.braking import Braking
from gateway.generation.generation import Generation
from gateway.generation.limits import Circuits, Slots
from gateway.generation.making import Maker
from gateway.generation.outcome import Outcome, recall
from gateway.generation.plan import Brief, Plan
from gateway.generation.waiting import Endings
from gateway.store.connection import RedisTrouble
from gateway.store.ledger import Admission, Journal, Ledger, Taken, Verdict
from gateway.store.recent import Recent
from gateway.store.spool import Spool
from gateway.telemetry.events import (
    Admitted,
    Emit,
    GenerationFinished,
    GenerationStarted,
    GenerationTaken,
    LeaseLost,
    ServedWithoutStore,
    outcome_of,
)
from gateway.telemetry.log import tag

_MOST_ADMISSIONS = 20  # each further one follows from a generation that came to nothing, or from bytes that were gone
_KNOWN_S = 300.0  # how long a key is served without the store after it was last seen to count
_MOST_KNOWN = 10_000
_LEAST_TO_COLLECT_S = 60.0  # what a task is given that is taken over late: it may have been ready for long


class Ticket:
    """One request's share in a generation: its task, and how the request came by it.

    `cache` is the word for `x-gateway-cache`; `age_s` is set where the pictures were made for an earlier request.
    """

    task: asyncio.Task[Outcome]

    def __init__(self, wish: Wish, ledger: Journal) -> None:
        self.wish = wish
        self.ledger = ledger
        self.id = ""
        self.cache: Literal["hit", "miss", "joined", "bypass"] = "miss"
        self.age_s: int | None = None
        self.led: Generation | None = None
        self.is_claimable = False
        self.owns_task = False

    @property
    def is_free(self) -> bool:
        """Whether its pictures are paid for by another request."""
        return self.cache in {"hit", "joined"}


class Generations:
    """Admits requests and keeps hold of what they started until it ends. `clock` is monotonic, `now` unix seconds.

    `ttl_s` is how long a picture is replayed where its model does not say otherwise, `least_kept_s` how long its bytes
    are kept in any case (for their URLs); `most_waiting` bounds the requests of one key that wait at this worker.
    With a `spool`, keys that were seen lately are served while Redis is away.
    """

    def __init__(
        self,
        ledger: Ledger,
        maker: Maker,
        archive: Archive,
        endings: Endings,
        *,
        spool: Spool | None,
        catalog: Catalog,
        slots: Slots,
        circuits: Circuits,
        braking: Braking,
        ttl_s: int,
        least_kept_s: float,
        most_waiting: int,
        clock: Callable[[], float],
        now: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._ledger = ledger
        self._maker = maker
        self._archive = archive
        self._endings = endings
        self._spool = spool
        self._known = Recent[str](_MOST_KNOWN, _KNOWN_S, clock)
        self._catalog = catalog
        self._slots = slots
        self._circuits = circuits
        self._braking = braking
        self._ttl_s = ttl_s
        self._least_kept_s = least_kept_s
        self._most_waiting = most_waiting
        self._clock = clock
        self._now = now
        self._emit = emit
        self._waiting: Counter[str] = Counter()
        self._running: dict[str, Generation] = {}
        self._chores: set[asyncio.Task[Any]] = set()
        self.is_closing = False
        self.caches = True

    async def start(self, wish: Wish) -> Ticket:
        """Decide about a request, and begin to make its pictures where nobody else does. Pair with `leave`.

        Raises:
            GatewayError: it is refused or denied, its outcome is unknown, or it cannot be made now.

        """
        if self.is_closing:
            raise Unavailable("This worker is shutting down; nothing was bought. Try again.", code="draining")
        if self._waiting[wish.key_id] >= self._most_waiting:
            raise Unavailable(
                f"{self._most_waiting} requests of your key wait at this worker. Nothing was bought. Try again.",
                code="server_overloaded",
            )
        ticket = Ticket(wish, self._ledger)
        await self._admit(wish, ticket)
        self._waiting[wish.key_id] += 1
        return ticket

    def leave(self, ticket: Ticket, *, answered: bool) -> None:
        """Let go of a request's share; what is being made goes on without it, for the retry to collect."""
        key_id = ticket.wish.key_id
        self._waiting[key_id] -= 1
        if self._waiting[key_id] <= 0:
            del self._waiting[key_id]
        if ticket.led is not None:
            ticket.led.waiting -= 1
        if ticket.owns_task and not answered:
            ticket.task.cancel()
        if answered and ticket.is_claimable:
            self._chore(ticket.ledger.answered(ticket.wish.team, ticket.id))
        elif not answered and (ticket.is_claimable or ticket.cache == "miss"):
            self._chore(ticket.ledger.left(ticket.wish.team, ticket.id))

    def take_over(self, taken: Taken) -> None:
        """Collect what another worker bought and left."""
        brief = msgspec.json.decode(taken.plan, type=Brief)
        try:
            model = self._catalog.resolve(brief.model)
        except NotFound:
            return  # a worker that still knows the model may collect it
        lease_ends = self._clock() + self._ledger.rules.lease_ms / 1000
        generation = Generation(
            taken.id,
            brief,
            model,
            ledger=self._ledger,
            team=taken.team,
            key_id=taken.key,
            epoch=taken.epoch,
            lease_ends=lease_ends,
            kept_s=self._kept_s(is_remembered=True),
            waiting=0,
        )
        tasks = {part - 1: task for part, task in taken.tasks.items()}
        for index in range(len(generation.stages)):
            generation.stages[index] = "submitted" if index in tasks else "done"
        within_s = max(model.time_limit_s - taken.age_ms / 1000, _LEAST_TO_COLLECT_S)
        self._emit(GenerationTaken(taken.id, taken.team, model.id, taken.epoch))
        make = self._maker.make(generation, sorted(tasks), self._maker.collecting(tasks, within_s))
        self._launch(generation, make)

    def held(self) -> list[Generation]:
        """List what is being made here under a lease."""
        return [generation for generation in self._running.values() if generation.ledger is self._ledger]

    def lost(self, generation_id: str) -> None:
        """Note that another worker has taken a generation over; a picture that arrives is handed in all the same."""
        self._emit(LeaseLost(generation_id))

    async def hand_over(self) -> None:
        """Leave every task that is only waited for to other workers; who waits here is told to try again."""
        self.is_closing = True
        given = [generation for generation in self.held() if generation.only_has_tasks]
        for generation in given:
            generation.is_handed_over = True
            generation.task.cancel()
        for generation in given:
            with suppress(*RedisTrouble):
                await self._ledger.hand_over(generation.team, [(generation.id, generation.epoch)])

    async def drain(self) -> None:
        """Take on nothing new and wait until all that is paid for has arrived and is booked."""
        self.is_closing = True
        while self._running:
            await asyncio.wait([generation.task for generation in self._running.values()])
        await self._maker.settled()
        if self._chores:
            await asyncio.wait(self._chores)

    async def _admit(self, wish: Wish, ticket: Ticket) -> None:
        """Ask the ledger until there is something to wait for."""
        missing = ""
        for _ in range(_MOST_ADMISSIONS):
            question = admission(wish, self._new_id(), ttl_s=self._ttl_of(wish.plan.model), missing=missing)
            began = self._clock()
            verdict = await self._ask(wish, ticket, question)
            ended = self._clock()
            wish.phases.lap("admit", began, ended)
            self._emit(Admitted(wish.team, wish.plan.model.id, verdict.kind, verdict.limit, ended - began))
            wish.tell(verdict)
            ticket.id = verdict.generation
            match verdict.kind:
                case "lead":
                    await self._lead(wish, ticket, verdict, began)
                    return
                case "join":
                    self._join(wish, ticket, verdict)
                    return
                case "hit" | "replay":
                    try:
                        pictures, usage = await self._archive.load(verdict.results)
                    except Gone:
                        missing = verdict.generation
                        continue
                    finally:
                        wish.phases.lap("store", ended, self._clock())
                    ticket.cache = "hit" if verdict.kind == "hit" else "joined"
                    ticket.age_s = verdict.age_ms // 1000
                    self._own(ticket, _just(Outcome(pictures, usage, 0)))
                    return
                case _:
                    raise refusal(verdict, wish)
        raise Unavailable("The picture could not be had now; nothing was bought. Try again.")

    async def _ask(self, wish: Wish, ticket: Ticket, question: Admission) -> Verdict:
        """Ask the ledger; while Redis is away, the spool for those keys that were admitted lately."""
        try:
            verdict = await self._ledger.admit(wish.team, question)
        except Unavailable:
            models = self._known.get(wish.key_id)
            if self._spool is None or models is None:
                raise
            self._emit(ServedWithoutStore(wish.team, question.model))
            if models and question.model not in models.split(","):
                raise refusal(Verdict("refused", why="model", models=models), wish) from None
            ticket.ledger = self._spool
            return self._spool.admit(wish.team, question)
        ticket.ledger = self._ledger
        if verdict.kind != "refused":
            self._known.put(wish.key_id, verdict.models)
        return verdict

    def _new_id(self) -> str:
        """Make an id that tells its time, to the millisecond, so that its booking can be found."""
        return f"gen_{int(self._now() * 1000):011x}{secrets.token_hex(7)[:13]}"

    def _ttl_of(self, model: Model) -> int:
        if not self.caches:
            return 0
        return self._ttl_s if model.cache_ttl_s is None else model.cache_ttl_s

    def _kept_s(self, *, is_remembered: bool) -> float:
        """Tell how long bytes must be there: for replays, for the retry, and for an idempotency key."""
        rules = self._ledger.rules
        return max(self._ttl_s, self._least_kept_s, rules.unclaimed_s, rules.idempotency_s if is_remembered else 0)

    async def _lead(self, wish: Wish, ticket: Ticket, verdict: Verdict, began: float) -> None:
        plan = wish.plan
        generation = Generation(
            verdict.generation,
            plan.brief,
            plan.model,
            ledger=ticket.ledger,
            team=wish.team,
            key_id=wish.key_id,
            epoch=verdict.epoch,
            lease_ends=began + self._ledger.rules.lease_ms / 1000,
            kept_s=max(self._kept_s(is_remembered=bool(wish.idempotency)), verdict.ttl_s),
            waiting=1,
        )
        try:
            give_back = await self._clear(generation, plan)
        except GatewayError:
            await self._maker.drop(generation)
            raise
        ticket.cache = "miss" if verdict.shared and ticket.ledger is self._ledger else "bypass"
        ticket.is_claimable = not verdict.shared
        ticket.led = generation
        ticket.owns_task = False
        ticket.task = self._launch(generation, self._make(generation, plan))
        ticket.task.add_done_callback(lambda _: give_back())

    async def _clear(self, generation: Generation, plan: Plan) -> Callable[[], None]:
        """Ask all that may still hold a purchase up; returns what gives its room back."""
        self._braking.check(plan.model)
        self._circuits.check(plan.model)
        give_back = self._slots.place(plan.model, len(plan.parts))
        if generation.ledger is self._ledger:
            try:
                await self._braking.reserve(generation.id, generation.team, plan.model, plan.estimate)
            except GatewayError:
                give_back()
                raise
        return give_back

    def _join(self, wish: Wish, ticket: Ticket, verdict: Verdict) -> None:
        ticket.cache = "joined"
        ticket.is_claimable = verdict.claimed
        local = self._running.get(verdict.generation)
        if local is not None and not local.is_handed_over:
            local.waiting += 1
            ticket.led = local
            ticket.task = local.task
        else:
            self._own(ticket, self._follow(wish, ticket, verdict))

    async def _follow(self, wish: Wish, ticket: Ticket, verdict: Verdict) -> Outcome:
        """Wait for another worker's generation; where it came to nothing, ask again."""
        ending = await self._endings.of(wish.team, verdict.generation)
        if ending.state == "delivered":
            with suppress(Gone):
                if ending.results is not None:
                    pictures, usage = await self._archive.load(ending.results)
                    return Outcome(pictures, usage, 0)
            raise UpstreamFailed(
                "The picture was made and charged, but could not be kept for this request.", code="result_lost"
            )
        if ending.state == "void":
            ticket.is_claimable = False
            await self._admit(wish, ticket)
            return await asyncio.shield(ticket.task)
        if ending.state == "unknown":
            raise recall(ending.error) if ending.error else _lost_on_the_way()
        raise recall(ending.error)

    async def _make(self, generation: Generation, plan: Plan) -> Outcome:
        try:
            with self._circuits.through(plan.model):
                return await self._maker.make(generation, range(len(plan.parts)), self._maker.buying(plan.parts))
        except Unavailable:
            if generation.failure is None:  # the circuit has opened in the meantime
                await self._maker.drop(generation)
            raise

    def _launch(self, generation: Generation, make: Coroutine[Any, Any, Outcome]) -> asyncio.Task[Outcome]:
        generation.task = asyncio.get_running_loop().create_task(self._run(generation, make), name=generation.id)
        self._running[generation.id] = generation
        generation.task.add_done_callback(lambda task: self._ended(generation, task))
        return generation.task

    def _ended(self, generation: Generation, task: asyncio.Task[Outcome]) -> None:
        if self._running.get(generation.id) is generation:
            del self._running[generation.id]
        if generation.booked is not None:
            self._chore(self._braking.settle(generation.id, generation.booked))
        _hear(task)

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
            self._emit(
                GenerationFinished(
                    generation_id=generation.id,
                    team=generation.team,
                    key_id=generation.key_id,
                    model=generation.model.id,
                    outcome="handed_over" if generation.is_handed_over else outcome_of(failure),
                    asked=generation.brief.n,
                    delivered=len(outcome.pictures) if outcome else 0,
                    cost_micro_usd=outcome.cost if outcome else None,
                    seconds=self._clock() - started,
                    laps=generation.phases.laps,
                    input_tokens=usage.input_tokens if usage else None,
                    output_tokens=usage.output_tokens if usage else None,
                    adopted=generation.epoch > 1,
                )
            )
        return outcome

    def _own(self, ticket: Ticket, work: Coroutine[Any, Any, Outcome]) -> None:
        """Give a ticket a task of its own."""
        ticket.task = asyncio.get_running_loop().create_task(work)
        ticket.owns_task = True
        ticket.task.add_done_callback(_hear)

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something on the store that nobody waits for, and whose failure costs a retry at most."""

        async def attempt() -> None:
            with suppress(*RedisTrouble):
                await work

        task = asyncio.get_running_loop().create_task(attempt())
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


async def _just(outcome: Outcome) -> Outcome:
    return outcome


def _hear(task: asyncio.Task[Outcome]) -> None:
    """Take note of an exception: its client may have left, and nobody else may ask for it."""
    if not task.cancelled():
        task.exception()


def _lost_on_the_way() -> OutcomeUnknown:
    return OutcomeUnknown(
        "The worker that made this picture was lost after it had called upstream: it may have been charged, so it is "
        "not bought again. Send 'Cache-Control: no-cache' or a new Idempotency-Key to buy it anew."
    )

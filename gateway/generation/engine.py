"""The life of generations: admitted, then led, joined or replayed, and independent of the request that began it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec

from gateway.catalog import Catalog
from gateway.errors import GatewayError, NotFound, OutcomeUnknown, Unavailable, UpstreamFailed
from gateway.generation.admission import Wish, refusal
from gateway.generation.archive import Archive, Gone
from gateway.generation.asking import Asking
from gateway.generation.braking import Braking
from gateway.generation.generation import Generation
from gateway.generation.limits import Circuits, Slots
from gateway.generation.making import Maker
from gateway.generation.outcome import Outcome, recall
from gateway.generation.plan import Brief, Plan
from gateway.generation.running import Running
from gateway.generation.ticket import Ticket
from gateway.generation.waiting import Endings
from gateway.store.connection import RedisTrouble
from gateway.store.journal import Taken, Verdict
from gateway.store.ledger import Ledger
from gateway.telemetry.events import Emit, GenerationTaken, LeaseLost

_MOST_ADMISSIONS = 20  # each further one follows from a generation that came to nothing, or from bytes that were gone
_NOTICE_S = 0.1
_LEAST_TO_COLLECT_S = 60.0  # what a task is given that is taken over late: it may have been ready for long


class Generations:
    """Begins what requests wish for, and keeps hold of it until it ends. `clock` is monotonic, in seconds.

    `kept_s` is how long a picture's bytes are kept in any case; `most_waiting` bounds the requests of one key that
    wait at this worker.
    """

    def __init__(
        self,
        asking: Asking,
        maker: Maker,
        archive: Archive,
        endings: Endings,
        running: Running,
        *,
        ledger: Ledger,
        catalog: Catalog,
        slots: Slots,
        circuits: Circuits,
        braking: Braking,
        kept_s: float,
        most_waiting: int,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._asking = asking
        self._maker = maker
        self._archive = archive
        self._endings = endings
        self._running = running
        self._ledger = ledger
        self._catalog = catalog
        self._slots = slots
        self._circuits = circuits
        self._braking = braking
        self._kept_s = kept_s
        self._most_waiting = most_waiting
        self._clock = clock
        self._emit = emit
        self._waiting: Counter[str] = Counter()
        self._chores: set[asyncio.Task[Any]] = set()
        self.is_closing = False

    async def start(self, wish: Wish) -> Ticket:
        """Decide about a request, and begin to make its pictures where nobody else does. Pair with `leave`.

        Raises:
            GatewayError: it is refused or denied, its outcome is unknown, or it cannot be made now.

        """
        if self._waiting[wish.key_id] >= self._most_waiting:
            raise Unavailable(
                f"{self._most_waiting} requests of your key wait at this worker. Nothing was bought. Try again.",
                code="server_overloaded",
            )
        ticket = Ticket(wish, self._ledger)
        self._waiting[wish.key_id] += 1
        try:
            if wish.is_retry:  # it may be here before whoever served its first try has noticed that it left
                await asyncio.sleep(_NOTICE_S)
            await self._admit(ticket)
        except BaseException:
            self._waits_no_more(wish.key_id)
            if ticket.is_claimable:  # claimed, and then not to be read: its next retry needs it
                self._note(ticket, ticket.ledger.left)
            raise
        if wish.idempotency and ticket.is_free:
            ticket.task.add_done_callback(self._remember)
        return ticket

    def leave(self, ticket: Ticket, *, answered: bool) -> None:
        """Let go of a request's share; what is being made goes on without it, for the retry to collect."""
        self._waits_no_more(ticket.wish.key_id)
        ticket.release(answered=answered)
        if answered and ticket.may_be_claimed:
            self._note(ticket, ticket.ledger.answered)
        elif not answered and (ticket.is_claimable or ticket.cache == "miss"):
            self._note(ticket, ticket.ledger.left)

    def reset(self, ticket: Ticket) -> None:
        """Take note that the client has reset the connection on which it was answered: it may not have its pictures."""
        self._note(ticket, ticket.ledger.reset)

    def take_over(self, taken: Taken) -> None:
        """Collect what another worker bought and left."""
        brief = msgspec.json.decode(taken.plan, type=Brief)
        try:
            model = self._catalog.resolve(brief.model)
        except NotFound:
            return  # a worker that still knows the model may collect it
        generation = Generation(
            taken.id,
            brief,
            model,
            ledger=self._ledger,
            team=taken.team,
            key_id=taken.key,
            epoch=taken.epoch,
            lease_ends=self._clock() + self._ledger.rules.lease_ms / 1000,
            kept_s=max(self._kept_s, self._ledger.rules.idempotency_s),
        )
        tasks = {part - 1: task for part, task in taken.tasks.items()}
        generation.is_whole = len(tasks) == len(brief.counts)
        generation.stages = ["submitted" if part in tasks else "done" for part in range(len(brief.counts))]
        within_s = max(model.time_limit_s - taken.age_ms / 1000, _LEAST_TO_COLLECT_S)
        self._emit(GenerationTaken(taken.id, taken.team, model.id, taken.epoch, taken.unknown_parts))
        self._launch(generation, self._maker.make(generation, sorted(tasks), self._maker.collecting(tasks, within_s)))

    def held(self) -> list[Generation]:
        """List what is being made here under a lease."""
        return self._running.under(self._ledger)

    def lost(self, generation_id: str) -> None:
        """Note that another worker has taken a generation over; a picture that arrives is handed in all the same."""
        self._emit(LeaseLost(generation_id))

    async def hand_over(self) -> None:
        """Leave every task that is only waited for to other workers; who waits here is told to try again."""
        self.is_closing = True
        for generation in self._running.hand_over(self._ledger):
            with suppress(*RedisTrouble):
                await self._ledger.hand_over(generation.team, [(generation.id, generation.epoch)])

    async def drain(self) -> None:
        """Take on nothing new and wait until all that is paid for has arrived and is booked."""
        self.is_closing = True
        await self._running.ended()
        await self._maker.settled()
        if self._chores:
            await asyncio.wait(self._chores)

    def _waits_no_more(self, key_id: str) -> None:
        self._waiting[key_id] -= 1
        if self._waiting[key_id] <= 0:
            del self._waiting[key_id]

    async def _admit(self, ticket: Ticket) -> None:
        """Ask until there is something to wait for."""
        missing = ""
        for _ in range(_MOST_ADMISSIONS):
            if self.is_closing:
                raise Unavailable("This worker is shutting down; nothing was bought. Try again.", code="draining")
            began = self._clock()
            verdict, ticket.ledger = await self._asking.ask(ticket.wish, missing=missing)
            ticket.id = verdict.generation
            ticket.is_claimable = verdict.claimed
            match verdict.kind:
                case "lead":
                    return await self._lead(ticket, verdict, began)
                case "join":
                    return self._join(ticket, verdict)
                case "hit" | "replay":
                    try:
                        return await self._replay(ticket, verdict)
                    except Gone:
                        missing = verdict.generation
                case _:
                    raise refusal(verdict, ticket.wish)
        raise Unavailable("The picture could not be had now; nothing was bought. Try again.")

    async def _replay(self, ticket: Ticket, verdict: Verdict) -> None:
        began = self._clock()
        try:
            pictures, usage = await self._archive.load(verdict.results)
        finally:
            ticket.wish.phases.lap("store", began, self._clock())
        ticket.cache = "hit" if verdict.kind == "hit" else "joined"
        ticket.age_s = verdict.age_ms // 1000
        ticket.have(Outcome(pictures, usage, 0))

    async def _lead(self, ticket: Ticket, verdict: Verdict, began: float) -> None:
        wish, plan = ticket.wish, ticket.wish.plan
        remembered_s = self._ledger.rules.idempotency_s if wish.idempotency else 0
        generation = Generation(
            verdict.generation,
            plan.brief,
            plan.model,
            ledger=ticket.ledger,
            team=wish.team,
            key_id=wish.key_id,
            epoch=verdict.epoch,
            lease_ends=began + self._ledger.rules.lease_ms / 1000,
            kept_s=max(self._kept_s, verdict.ttl_s, remembered_s),
        )
        try:
            give_back = await self._clear(generation, plan)
        except GatewayError:
            await self._maker.drop(generation)
            raise
        ticket.cache = "miss" if verdict.shared and ticket.ledger is self._ledger else "bypass"
        ticket.is_claimable = not verdict.shared
        self._launch(generation, self._make(generation, plan), give_back)
        ticket.share(generation)

    async def _clear(self, generation: Generation, plan: Plan) -> Callable[[], None]:
        """Ask all that may still hold a purchase up; returns what gives its room back."""
        if generation.ledger is self._ledger:
            await self._braking.learn()
        self._braking.check(plan.model)
        self._circuits.check(plan.model)
        give_back = self._slots.place(plan.model, len(plan.parts))
        if generation.ledger is self._ledger:
            try:
                await self._braking.reserve(generation.id, generation.team, plan.model, plan.estimate)
            except BaseException:
                give_back()
                raise
        return give_back

    async def _make(self, generation: Generation, plan: Plan) -> Outcome:
        try:
            with self._circuits.through(plan.model):
                return await self._maker.make(generation, range(len(plan.parts)), self._maker.buying(plan.parts))
        except Unavailable:
            if generation.failure is None:  # the circuit has opened in the meantime
                await self._maker.drop(generation)
            raise

    def _join(self, ticket: Ticket, verdict: Verdict) -> None:
        ticket.cache = "joined"
        local = self._running.find(verdict.generation)
        if local is not None:
            ticket.share(local)
        else:
            ticket.own(self._follow(ticket, verdict.generation))

    async def _follow(self, ticket: Ticket, generation_id: str) -> Outcome:
        """Wait for another worker's generation; where it came to nothing, ask again."""
        ending = await self._endings.of(ticket.wish.team, generation_id)
        if ending.state == "void":
            await self._admit(ticket)
            return await asyncio.shield(ticket.task)
        if ending.state != "delivered":
            raise recall(ending.error) if ending.error or ending.state != "unknown" else _lost_on_the_way()
        with suppress(Gone):
            if ending.results is not None:
                pictures, usage = await self._archive.load(ending.results)
                return Outcome(pictures, usage, 0)
        raise UpstreamFailed(
            "The picture was made and charged, but could not be kept for this request.", code="result_lost"
        )

    def _remember(self, task: asyncio.Future[Outcome]) -> None:
        """Keep what an idempotency key stands for as long as the key, whoever has bought it."""
        if not task.cancelled() and task.exception() is None:
            self._chore(self._archive.prolong(task.result().pictures, self._ledger.rules.idempotency_s))

    def _launch(
        self,
        generation: Generation,
        make: Coroutine[Any, Any, Outcome],
        give_back: Callable[[], None] = lambda: None,
    ) -> None:
        def ended() -> None:
            give_back()
            settled = generation.settled
            if settled is not None and generation.ledger.books_at_once and self._braking.has_budget:
                self._chore(self._braking.settle(generation.id, settled.cost))

        self._running.launch(generation, make, then=ended)

    def _note(self, ticket: Ticket, note: Callable[[str, str], Coroutine[Any, Any, None]]) -> None:
        """Tell the ledger of a request's end, in the order of what happened."""
        before = ticket.noted

        async def work() -> None:
            if before is not None:
                await asyncio.wait([before])
            await note(ticket.wish.team, ticket.id)

        ticket.noted = self._chore(work())

    def _chore(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something on the store that nobody waits for, and whose failure costs a retry at most."""

        async def attempt() -> None:
            with suppress(*RedisTrouble):
                await work

        task = asyncio.get_running_loop().create_task(attempt())
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task


def _lost_on_the_way() -> OutcomeUnknown:
    return OutcomeUnknown(
        "The worker that made this picture was lost after it had called upstream: it may have been charged, so it is "
        "not bought again. Send 'Cache-Control: no-cache' or a new Idempotency-Key to buy it anew."
    )

"""A worker's chores on the ledger: its leases renewed, and what others left behind looked after."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from gateway.generation.asking import Asking
from gateway.generation.braking import Braking
from gateway.generation.engine import Generations
from gateway.generation.waiting import Endings
from gateway.store.connection import RedisTrouble
from gateway.store.ledger import Ledger
from gateway.store.spool import Spool
from gateway.store.watermark import Watermark
from gateway.telemetry.events import CachingChanged, Emit, GenerationBooked, GenerationExpired, StoreTroubled

_RENEWALS_PER_LEASE = 4
_BRAKE_S = 0.8
_HEAL_S = 30.0
_BOOK_S = 2.0
_MEASURE_S = 5.0


class Keeper:
    """Runs until it is cancelled.

    Leases are renewed four times in their life. Every `sweep_s` seconds, spread at random so that workers take turns,
    all `teams` are looked through for what is overdue.
    """

    def __init__(
        self,
        generations: Generations,
        asking: Asking,
        ledger: Ledger,
        endings: Endings,
        *,
        spool: Spool,
        braking: Braking,
        watermark: Watermark,
        teams: Callable[[], Awaitable[list[str]]],
        sweep_s: float,
        random: Callable[[], float],
        emit: Emit,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._generations = generations
        self._asking = asking
        self._ledger = ledger
        self._endings = endings
        self._spool = spool
        self._braking = braking
        self._watermark = watermark
        self._teams = teams
        self._sweep_s = sweep_s
        self._random = random
        self._emit = emit
        self._sleep = sleep

    async def run(self) -> None:
        """Do all chores, for ever."""
        async with asyncio.TaskGroup() as chores:
            chores.create_task(self._endings.listen())
            renewed_every_s = self._ledger.rules.lease_ms / 1000 / _RENEWALS_PER_LEASE
            chores.create_task(self._often("renew", self.renew, renewed_every_s))
            chores.create_task(self._often("sweep", self.sweep, self._sweep_s))
            chores.create_task(self._often("brake", self._braking.refresh, _BRAKE_S))
            chores.create_task(self._often("heal", self._braking.heal, _HEAL_S))
            chores.create_task(self._often("book", self.book, _BOOK_S))
            chores.create_task(self._often("measure", self.measure, _MEASURE_S))

    async def renew(self) -> None:
        """Renew the leases of all that is made here."""
        held: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for generation in self._generations.held():
            if not generation.is_handed_over:
                held[generation.team].append((generation.id, generation.epoch))
        for team, pairs in held.items():
            try:
                for lost in await self._ledger.renew(team, pairs):
                    self._generations.lost(lost)
            except RedisTrouble as trouble:  # of a cluster's one shard: the leases on the others must not end with it
                self._emit(StoreTroubled("renew", trouble))

    async def sweep(self) -> None:
        """Look after what is overdue, in any team."""
        for team in await self._ledger.overdue(await self._teams()):
            try:
                taken, expired = await self._ledger.expire(team, takes_over=not self._generations.is_closing)
            except RedisTrouble as trouble:  # as above: of one shard
                self._emit(StoreTroubled("sweep", trouble))
                continue
            for generation in expired:
                model, booked = generation.model, generation.booked
                self._emit(GenerationExpired(generation.id, team, model, generation.state, generation.unknown_parts))
                if booked is not None:
                    self._emit(GenerationBooked(team, model, booked.images, booked.cost))
            for found in taken:
                try:
                    self._generations.take_over(found)
                except Exception as trouble:  # noqa: BLE001  one record that nobody can read must not hold up the rest
                    self._emit(StoreTroubled("sweep", trouble))

    async def book(self) -> None:
        """Book what was made while Redis was away."""
        await self._spool.book()

    async def measure(self) -> None:
        """Stop caching where state would soon have no room, and go on when there is some again."""
        caches = not await self._watermark.is_passed()
        if caches != self._asking.caches:
            self._asking.caches = caches
            self._emit(CachingChanged(caches))

    async def _often(self, name: str, chore: Callable[[], Awaitable[None]], every_s: float) -> None:
        this = asyncio.current_task()
        while this is not None and not this.cancelling():  # Python 3.11's wait_for, in redis-py, may swallow it
            await self._sleep(every_s * (0.75 + self._random() / 2))
            try:
                await chore()
            except Exception as trouble:  # noqa: BLE001  a chore that ends would cost every lease
                self._emit(StoreTroubled(name, trouble))

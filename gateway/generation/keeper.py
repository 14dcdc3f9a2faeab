"""A worker's chores on the ledger: its leases renewed, and what others left behind looked after."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from gateway.generation.engine import Generations
from gateway.generation.waiting import Endings
from gateway.store.ledger import Ledger
from gateway.telemetry.events import Emit, GenerationExpired, StoreTroubled

_RENEWALS_PER_LEASE = 4


class Keeper:
    """Runs until it is cancelled.

    Leases are renewed four times in their life. Every `sweep_s` seconds, spread at random so that workers take turns,
    all `teams` are looked through for what is overdue. `now` gives unix seconds.
    """

    def __init__(
        self,
        generations: Generations,
        ledger: Ledger,
        endings: Endings,
        *,
        teams: Callable[[], Awaitable[list[str]]],
        sweep_s: float,
        now: Callable[[], float],
        random: Callable[[], float],
        emit: Emit,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._generations = generations
        self._ledger = ledger
        self._endings = endings
        self._teams = teams
        self._sweep_s = sweep_s
        self._now = now
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

    async def renew(self) -> None:
        """Renew the leases of all that is made here."""
        held: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for generation in self._generations.held():
            if not generation.is_handed_over:
                held[generation.team].append((generation.id, generation.epoch))
        for team, pairs in held.items():
            for lost in await self._ledger.renew(team, pairs):
                self._generations.lost(lost)

    async def sweep(self) -> None:
        """Look after what is overdue, in any team."""
        for team in await self._ledger.overdue(await self._teams(), self._now()):
            taken, expired = await self._ledger.expire(team, takes_over=not self._generations.is_closing)
            for generation in expired:
                self._emit(GenerationExpired(generation.id, team, generation.model, generation.state))
            for found in taken:
                self._generations.take_over(found)

    async def _often(self, name: str, chore: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            await self._sleep(every_s * (0.75 + self._random() / 2))
            try:
                await chore()
            except Exception as trouble:  # noqa: BLE001  a chore that ends would cost every lease
                self._emit(StoreTroubled(name, trouble))

"""Waiting for generations that other workers make."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from gateway.store.connection import RedisTrouble
from gateway.store.journal import Ending
from gateway.store.ledger import Ledger
from gateway.telemetry.events import Emit, StoreTroubled

_PAUSE_S = 1.0


class Endings:
    """Watches each generation once, however many wait for it.

    `messages` gives the ids of generations as they end; one that is missed costs `check_s` seconds at most.
    """

    def __init__(
        self,
        ledger: Ledger,
        messages: Callable[[], AsyncIterator[bytes]],
        *,
        check_s: float,
        emit: Emit,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._messages = messages
        self._check_s = check_s
        self._emit = emit
        self._sleep = sleep
        self._watched: dict[bytes, tuple[asyncio.Event, asyncio.Task[Ending]]] = {}

    async def of(self, team: str, generation: str) -> Ending:
        """Wait until a generation has ended."""
        name = f"{{{team}}}:{generation}".encode()
        if name not in self._watched:
            rung = asyncio.Event()
            task = asyncio.get_running_loop().create_task(self._watch(team, generation, rung))
            self._watched[name] = rung, task
            task.add_done_callback(lambda _: self._watched.pop(name))
        return await asyncio.shield(self._watched[name][1])

    async def listen(self) -> None:
        """Hear of endings, until it is cancelled: then nothing is watched any more."""
        this = asyncio.current_task()
        try:
            while this is not None and not this.cancelling():  # Python 3.11's wait_for, in redis-py, may swallow it
                try:
                    async for name in self._messages():
                        if name in self._watched:
                            self._watched[name][0].set()
                except RedisTrouble as trouble:
                    self._emit(StoreTroubled("listen", trouble))
                await self._sleep(_PAUSE_S)
        finally:
            for _, watch in self._watched.values():
                watch.cancel()

    async def _watch(self, team: str, generation: str, rung: asyncio.Event) -> Ending:
        while True:
            with suppress(*RedisTrouble):
                ending = await self._ledger.ending(team, generation)
                if ending.state != "open":
                    return ending
            with suppress(TimeoutError):
                async with asyncio.timeout(self._check_s):
                    await rung.wait()
            rung.clear()

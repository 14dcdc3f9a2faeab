"""One request's share in a generation."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal

from gateway.generation.admission import Wish
from gateway.generation.generation import Generation
from gateway.generation.outcome import Outcome
from gateway.store.journal import Journal

CacheWord = Literal["hit", "miss", "joined", "bypass"]


class Ticket:
    """Its task, and how the request came by it.

    `cache` is the word for `x-gateway-cache`; `age_s` is set where the pictures were made for an earlier request.
    `is_claimable` tells that a retry may claim what this request is not given. `noted` is what the ledger is being told
    of its end.
    """

    task: asyncio.Future[Outcome]
    noted: asyncio.Task[None] | None = None

    def __init__(self, wish: Wish, ledger: Journal) -> None:
        self.wish = wish
        self.ledger = ledger
        self.id = ""
        self.cache: CacheWord = "miss"
        self.age_s: int | None = None
        self.is_claimable = False
        self._waits_for: Generation | None = None
        self._owns_task = False

    @property
    def is_free(self) -> bool:
        """Whether its pictures are paid for by another request."""
        return self.cache in {"hit", "joined"}

    @property
    def may_be_claimed(self) -> bool:
        """Whether a retry may claim what this request is given, should it not arrive."""
        return self.is_claimable or self._is_partial

    @property
    def _is_partial(self) -> bool:
        """Whether it led and got fewer pictures than it asked for, which are not cached but could be claimed."""
        task = self.task
        if self.cache != "miss" or not task.done() or task.cancelled() or task.exception() is not None:
            return False
        return len(task.result().pictures) < self.wish.plan.n

    @property
    def leads(self) -> Generation | None:
        """The generation that is made here for this very request, if there is one."""
        return None if self.is_free else self._waits_for

    def share(self, generation: Generation) -> None:
        """Wait for a generation of this worker, which goes on when the request does not wait any more."""
        generation.waiting += 1
        self._waits_for = generation
        self.task = generation.task
        self._owns_task = False

    def have(self, outcome: Outcome) -> None:
        """Take what there is already."""
        self.task = asyncio.get_running_loop().create_future()
        self.task.set_result(outcome)

    def own(self, work: Coroutine[Any, Any, Outcome]) -> None:
        """Wait for work that ends with the request."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(hear)
        self.task = task
        self._owns_task = True

    def release(self, *, answered: bool) -> None:
        """Wait no more."""
        if self._waits_for is not None:
            self._waits_for.waiting -= 1
        if self._owns_task and not answered:
            self.task.cancel()


def hear(task: asyncio.Task[Outcome]) -> None:
    """Take note of an exception: its client may have left, and nobody else may ask for it."""
    if not task.cancelled():
        task.exception()

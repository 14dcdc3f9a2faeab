"""How long a request waits for its pictures, and what ends the wait early."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

from litestar import Request

from gateway.api.errors import ClientLeft
from gateway.errors import DeadlineExceeded, GatewayError
from gateway.generation.engine import Generations
from gateway.generation.outcome import Outcome
from gateway.generation.ticket import Ticket

_MARGIN_S = 5.0


def deadline_s(headers: Mapping[str, str], longest_s: float) -> float:
    """Tell how long a request may wait: 5 s less than the SDK says it does, and at most `longest_s` seconds."""
    try:
        theirs = float(headers.get("x-stainless-read-timeout", ""))
    except ValueError:
        return longest_s
    return min(longest_s, max(theirs - _MARGIN_S, theirs / 2)) if theirs > 0 else longest_s


class Patience:
    """Waits for one ticket on behalf of one request, `seconds` at most.

    Used as a context: leaving it before `answered` lets the generation go on, for the retry to collect.
    """

    def __init__(
        self, generations: Generations, ticket: Ticket, request: Request[Any, Any, Any], seconds: float
    ) -> None:
        self._generations = generations
        self._ticket = ticket
        # Nobody needs to know whether a client stays that has nothing to wait for, and from whom nothing is claimed.
        is_at_once = ticket.task.done() and not ticket.is_claimable
        self._left = None if is_at_once else asyncio.ensure_future(_left(request))
        self._when_reset = request.scope["state"].get("when_reset")
        self._clock = asyncio.get_running_loop().time
        self._ends = self._clock() + seconds
        self._is_answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._left is not None:
            self._left.cancel()
        self._generations.leave(self._ticket, answered=self._is_answered)
        if self._is_answered and self._ticket.may_be_claimed and self._when_reset is not None:
            self._when_reset(lambda: self._generations.reset(self._ticket))

    def answered(self) -> None:
        """Note that the client gets its answer, unless it has left in the meantime."""
        self._is_answered = self._left is None or not self._left.done()

    async def sending(self, body: bytes) -> AsyncIterator[bytes]:
        """Give a body, and note that the client gets its answer when this process has handed all of it to the kernel.

        What lies there when the client vanishes is lost unseen, but for a reset: that is noticed later.
        """
        yield body
        yield b""  # which waits until there is room again, or the client has left, which is heard first
        self.answered()

    async def outcome(self) -> Outcome:
        """Wait for the outcome.

        Raises:
            GatewayError: the generation failed.
            DeadlineExceeded: the request has waited as long as it may.
            ClientLeft: nobody waits any more.

        """
        left_s = max(self._ends - self._clock(), 0)
        outcome = await self.outcome_within(left_s)
        if outcome is None:
            raise _too_late()
        return outcome

    async def outcome_within(self, seconds: float) -> Outcome | None:
        """Wait for the outcome, at most so many seconds; None if that is not enough. Raises as `outcome` does."""
        task = self._ticket.task
        if self._left is not None:
            either: set[asyncio.Future[Any]] = {task, self._left}
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if self._left.done():
                raise ClientLeft
        if task.done():
            error = task.exception()
            if error is not None:  # one that invites a retry leaves it what was bought, and may yet arrive
                self._is_answered = not (isinstance(error, GatewayError) and error.should_retry)
            return task.result()
        if self._clock() >= self._ends:
            raise _too_late()
        return None


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded(
        "This request has waited for its picture as long as it may. Send the same request again to collect it."
    )


async def _left(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

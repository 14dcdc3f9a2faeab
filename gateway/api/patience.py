"""How long a request waits for its pictures, and what ends the wait early."""

import asyncio
from collections.abc import Mapping
from typing import Any, Self

from litestar import Request

from gateway.api.errors import ClientLeft
from gateway.errors import DeadlineExceeded
from gateway.generation.engine import Generation, Generations, Outcome

_MARGIN_S = 5.0


def deadline_s(headers: Mapping[str, str], longest_s: float) -> float:
    """Tell how long a request may wait: 5 s less than the SDK says it does, and at most `longest_s` seconds."""
    try:
        theirs = float(headers.get("x-stainless-read-timeout", ""))
    except ValueError:
        return longest_s
    return min(longest_s, max(theirs - _MARGIN_S, theirs / 2)) if theirs > 0 else longest_s


class Patience:
    """Waits for one generation on behalf of one request, `seconds` at most.

    Used as a context: leaving it without an outcome lets the generation go on, to be claimed by the retry.
    """

    def __init__(
        self, generations: Generations, generation: Generation, request: Request[Any, Any, Any], seconds: float
    ) -> None:
        self.generation = generation
        self._generations = generations
        self._left = asyncio.ensure_future(_left(request))
        self._ends = asyncio.get_running_loop().time() + seconds
        self._has_outcome = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._left.cancel()
        if not self._has_outcome:
            self._generations.leave(self.generation)

    async def outcome(self, within_s: float | None = None) -> Outcome | None:
        """Wait for the outcome, at most `within_s` seconds; None if that is not enough.

        Raises:
            GatewayError: the generation failed.
            DeadlineExceeded: the request has waited as long as it may.
            ClientLeft: nobody waits any more.

        """
        task = self.generation.task
        left_s = self._ends - asyncio.get_running_loop().time()
        timeout = left_s if within_s is None else min(within_s, left_s)
        await asyncio.wait({task, self._left}, timeout=max(timeout, 0), return_when=asyncio.FIRST_COMPLETED)
        if task.done() and not self._left.done():
            self._has_outcome = True
            return task.result()
        if self._left.done():
            raise ClientLeft
        if timeout == left_s:
            raise DeadlineExceeded(
                "The picture is still being made, but this request has waited as long as it may. It is not lost: "
                "send the same request again to collect it."
            )
        return None


async def _left(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

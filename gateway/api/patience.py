"""How long a request waits for its pictures, and what ends the wait early."""

import asyncio
from collections.abc import Mapping
from typing import Any

from litestar import Request

from gateway.errors import DeadlineExceeded
from gateway.generation.engine import Generation, Outcome

_MARGIN_S = 5.0


class ClientLeft(Exception):
    """The client closed its connection; there is nobody to answer."""


def deadline_s(headers: Mapping[str, str], longest_s: float) -> float:
    """Tell how long a request may wait: 5 s less than the SDK says it does, and at most `longest_s` seconds."""
    try:
        theirs = float(headers.get("x-stainless-read-timeout", ""))
    except ValueError:
        return longest_s
    return min(longest_s, max(theirs - _MARGIN_S, theirs / 2)) if theirs > 0 else longest_s


class Patience:
    """Waits for one generation on behalf of one request.

    Used as a context: leaving it without an outcome lets the generation go on, to be claimed by the retry.
    """

    def __init__(self, request: Request[Any, Any, Any], generation: Generation, seconds: float) -> None:
        self._generation = generation
        self._left = asyncio.ensure_future(_left(request))
        self._timer = asyncio.ensure_future(asyncio.sleep(seconds))

    async def __aenter__(self) -> "Patience":
        self._generation.waiting += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._generation.waiting -= 1
        self._left.cancel()
        self._timer.cancel()

    async def outcome(self, within_s: float | None = None) -> Outcome | None:
        """Wait for the outcome, at most `within_s` seconds; None if that is not enough.

        Raises:
            GatewayError: the generation failed.
            DeadlineExceeded: the request has waited as long as it may.
            ClientLeft: nobody waits any more.

        """
        task = self._generation.task
        await asyncio.wait({task, self._left, self._timer}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if self._left.done():
            raise ClientLeft
        if self._timer.done():
            raise DeadlineExceeded(
                "The picture is still being made, but this request has waited as long as it may. It is not lost: "
                "send the same request again to collect it."
            )
        return None


async def _left(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

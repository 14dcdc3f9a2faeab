"""Runs a dialect against upstream: network, clock, retries and deadlines, which dialects know nothing of."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import msgspec

from gateway.catalog import Model
from gateway.dialects.base import Call, Dialect, Reply, Result, Steps, Task, Wait
from gateway.errors import OutcomeUnknown, Unavailable
from gateway.telemetry.events import Emit, PollFailed, UpstreamAnswered, UpstreamRetried, UpstreamUnanswered
from gateway.upstream.client import Upstream
from gateway.upstream.failures import CallFailed, Verdict

T = TypeVar("T")

_POLL_TIMEOUT_S = 30.0
_LONGEST_PAUSE_S = 20.0


class Driver:
    """Buys one part of a plan and waits for its pictures.

    `attempts` and `backoff_s` rule the repetition of billable calls, which happens only where nothing was sent or
    upstream refused before acceptance. `jitter` is the fraction by which pauses are spread. `clock` is monotonic,
    in seconds; `random` gives 0 to 1.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        attempts: int,
        backoff_s: float,
        jitter: float,
        clock: Callable[[], float],
        random: Callable[[], float],
        emit: Emit,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._upstream = upstream
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._jitter = jitter
        self._clock = clock
        self._random = random
        self._emit = emit
        self._sleep = sleep

    async def run(self, dialect: Dialect, model: Model, payload: dict[str, Any]) -> Result:
        """Buy and collect one part within the model's time limit.

        Raises:
            GatewayError: upstream refused, failed, or left the outcome unknown.

        """
        deadline = self._clock() + model.time_limit_s
        bought = await self._submit(dialect, model, payload, deadline)
        if isinstance(bought, Task):
            return await self._play(dialect.collect(model, bought.id), model, deadline)
        return bought

    async def _submit(self, dialect: Dialect, model: Model, payload: dict[str, Any], deadline: float) -> Result | Task:
        """Make the billable call; again, after a pause, as long as upstream has not accepted it."""
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._play(dialect.submit(model, payload), model, deadline)
            except Unavailable as refusal:
                pause = self._spread(max(self._backoff_s * 2 ** (attempt - 1), refusal.retry_after or 0.0))
                if attempt == self._attempts or pause > min(_LONGEST_PAUSE_S, deadline - self._clock()):
                    raise
                self._emit(UpstreamRetried(model.id, refusal.code or ""))
                await self._sleep(pause)
        raise AssertionError("unreachable: at least one attempt is made")

    async def _play(self, steps: Steps[T], model: Model, deadline: float) -> T:
        reply: Reply | None = None
        while True:
            try:
                step = steps.send(reply)  # type: ignore[arg-type]  # the first send and a Wait's have no reply
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Wait):
                await self._pause(model, step.seconds, deadline)
                reply = None
            elif step.billable:
                reply = await self._buy(step, model, deadline)
            else:
                reply = await self._ask(step, model, deadline)

    async def _buy(self, call: Call, model: Model, deadline: float) -> Reply:
        """Send a billable call once."""
        try:
            return await self._send(call, model, deadline - self._clock())
        except CallFailed as failure:
            self._emit(UpstreamUnanswered(model.id, failure.verdict, failure.reason))
            if failure.verdict is Verdict.UNANSWERED:
                raise OutcomeUnknown(
                    f"The request reached upstream, but its answer was lost ({failure.reason}): the picture may have "
                    "been made and charged, so it is not sent again. Send it anew to buy it anew."
                ) from failure
            raise Unavailable(
                f"Upstream could not be reached ({failure.reason}); nothing was sent and nothing bought. Try again."
            ) from failure

    async def _ask(self, call: Call, model: Model, deadline: float) -> Reply:
        """Send a call that costs nothing, again and again until it is answered. 404 is an answer, too."""
        pause = self._backoff_s
        while True:
            try:
                reply = await self._send(call, model, min(_POLL_TIMEOUT_S, deadline - self._clock()))
            except CallFailed as failure:
                self._emit(PollFailed(model.id, failure.reason))
            else:
                if 200 <= reply.status < 300 or reply.status == 404:
                    return reply
                self._emit(PollFailed(model.id, str(reply.status)))
                pause = max(pause, reply.retry_after or 0.0)
            await self._pause(model, pause, deadline)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _send(self, call: Call, model: Model, timeout_s: float) -> Reply:
        started = self._clock()
        content = None if call.body is None else msgspec.json.encode(call.body)
        response = await self._upstream.request(
            call.method, call.origin, call.path, content=content, timeout_s=max(timeout_s, 0.001)
        )
        self._emit(UpstreamAnswered(model.id, response.status_code, call.billable, self._clock() - started))
        return Reply(
            response.status_code,
            response.content,
            response.headers.get("content-type", ""),
            _retry_after(response),
        )

    async def _pause(self, model: Model, seconds: float, deadline: float) -> None:
        left = deadline - self._clock()
        if left <= 0:
            raise OutcomeUnknown(
                f"Upstream accepted the task, but did not finish it within the {model.time_limit_s:g} s that "
                f"'{model.id}' may take. It may have been charged, so it is not submitted again."
            )
        await self._sleep(min(self._spread(seconds), left))

    def _spread(self, seconds: float) -> float:
        return seconds * (1 + self._jitter * (2 * self._random() - 1))


def _retry_after(response: httpx.Response) -> float | None:
    """Read `retry-after` in seconds; the HTTP-date form is not used by these upstreams and counts as absent."""
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, 60.0) if seconds > 0 else None

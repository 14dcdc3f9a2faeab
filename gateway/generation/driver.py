"""Runs a dialect against upstream: network, clock, retries and deadlines, which dialects know nothing of."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec

from gateway.catalog import Model
from gateway.dialects.base import Call, Dialect, Reply, Result, Steps, Task, Wait
from gateway.errors import OutcomeUnknown, Unavailable
from gateway.telemetry.events import (
    Emit,
    PollFailed,
    TaskCollected,
    UpstreamAnswered,
    UpstreamRetried,
    UpstreamUnanswered,
)
from gateway.upstream import failures
from gateway.upstream.client import Upstream
from gateway.upstream.failures import CallFailed, Verdict

T = TypeVar("T")

_POLL_TIMEOUT_S = 10.0
_LONGEST_POLL_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 20.0
_SHARE_FOR_A_CALL = 0.5  # of the model's time limit: with less left, the answer to a paid call might be cut off


class Gate(Protocol):
    """Writes each step of a purchase down; raises, before the step, where it must not be taken."""

    async def sending(self) -> None:
        """Note that a billable call is about to go out."""
        ...

    async def refused(self) -> None:
        """Note that it certainly was not accepted, and is tried again after a pause."""
        ...

    async def accepted(self, task: str) -> None:
        """Note that it was accepted, as a task that is to be collected."""
        ...


@dataclass(slots=True)
class _Purchase:
    """One part being bought; `reply` is that to the last billable call, None where nothing was sent.

    The last two of its `polls` were answered at `looks`, seconds on the driver's clock.
    """

    model: Model
    deadline: float
    reply: Reply | None = None
    polls: int = 0
    looks: tuple[float, float] = (0.0, 0.0)


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

    async def run(self, dialect: Dialect, model: Model, payload: dict[str, Any], gate: Gate) -> Result:
        """Buy and collect one part within the model's time limit.

        Raises:
            GatewayError: upstream refused, failed, or left the outcome unknown; or the gate did.

        """
        purchase = _Purchase(model, self._clock() + model.time_limit_s)
        bought = await self._submit(dialect, payload, purchase, gate)
        if isinstance(bought, Task):
            await gate.accepted(bought.id)
            return await self._collect(dialect.collect(model, bought.id), purchase)
        return bought

    async def collect(self, dialect: Dialect, model: Model, task: str, within_s: float) -> Result:
        """Collect a task that another worker bought. Raises as `run` does."""
        return await self._collect(dialect.collect(model, task), _Purchase(model, self._clock() + within_s))

    async def _collect(self, steps: Steps[Result], purchase: _Purchase) -> Result:
        now = self._clock()
        purchase.looks = now, now
        result = await self._play(steps, purchase)
        before, last = purchase.looks
        self._emit(TaskCollected(purchase.model.id, purchase.polls, last - before))
        return result

    async def _submit(
        self, dialect: Dialect, payload: dict[str, Any], purchase: _Purchase, gate: Gate
    ) -> Result | Task:
        """Make the billable call; again, after a pause, as long as upstream has not accepted it."""
        attempt = 1
        while True:
            purchase.reply = None
            await gate.sending()
            try:
                return await self._play(dialect.submit(purchase.model, payload), purchase)
            except Unavailable as refused:
                pause = self._pause_before(attempt + 1, purchase)
                if pause is None:
                    raise
                self._emit(UpstreamRetried(purchase.model.id, refused.code or ""))
            await gate.refused()
            await self._sleep(pause)
            attempt += 1

    def _pause_before(self, attempt: int, purchase: _Purchase) -> float | None:
        """Seconds to wait before the next attempt, never less than upstream asks for; None to give up."""
        reply = purchase.reply
        if reply is not None and failures.of_status(reply.status) is not Verdict.REFUSED:
            return None  # whatever its words, this status does not rule out that it was accepted
        asked = (reply.retry_after if reply else None) or 0.0
        pause = asked + self._spread(self._backoff_s * 2.0 ** (attempt - 2))
        left = purchase.deadline - self._clock() - pause
        is_late = left < purchase.model.time_limit_s * _SHARE_FOR_A_CALL
        return None if attempt > self._attempts or pause > _LONGEST_PAUSE_S or is_late else pause

    async def _play(self, steps: Steps[T], purchase: _Purchase) -> T:
        reply: Reply | None = None
        while True:
            try:
                step = steps.send(reply)  # type: ignore[arg-type]  # the first send and a Wait's have no reply
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Wait):
                await self._pause(purchase, step.seconds)
                reply = None
            elif step.billable:
                reply = await self._buy(step, purchase)
            else:
                reply = await self._ask(step, purchase)

    async def _buy(self, call: Call, purchase: _Purchase) -> Reply:
        """Send a billable call once."""
        try:
            reply = await self._send(call, purchase.model, purchase.deadline - self._clock())
        except CallFailed as failure:
            self._emit(UpstreamUnanswered(purchase.model.id, failure.verdict, failure.reason))
            if failure.verdict is Verdict.UNANSWERED:
                raise OutcomeUnknown(
                    f"The request reached upstream, but its answer was lost ({failure.reason}): the picture may have "
                    "been made and charged, so it is not sent again. "
                    "Send 'Cache-Control: no-cache' or a new Idempotency-Key to buy it anew."
                ) from failure
            if failure.reason == "pool_timeout":
                raise Unavailable(
                    "All connections that this worker may have to upstream are in use; nothing was bought. Try again.",
                    code="server_overloaded",
                ) from failure
            raise Unavailable(
                f"Upstream could not be reached ({failure.reason}); nothing was sent and nothing bought. Try again."
            ) from failure
        purchase.reply = reply
        return reply

    async def _ask(self, call: Call, purchase: _Purchase) -> Reply:
        """Send a call that costs nothing, again and again until it is answered. 404 is an answer, too."""
        pause = self._backoff_s
        while True:
            asked = 0.0
            purchase.polls += 1
            try:
                reply = await self._send(call, purchase.model, _POLL_TIMEOUT_S)
            except CallFailed as failure:
                self._emit(PollFailed(purchase.model.id, failure.reason))
            else:
                if 200 <= reply.status < 300 or reply.status == 404:
                    purchase.looks = purchase.looks[1], self._clock()
                    return reply
                self._emit(PollFailed(purchase.model.id, f"http_{reply.status}"))
                asked = min(reply.retry_after or 0.0, _LONGEST_PAUSE_S)
            await self._pause(purchase, pause, at_least=asked)
            pause = min(pause * 2, _LONGEST_POLL_PAUSE_S)

    async def _send(self, call: Call, model: Model, timeout_s: float) -> Reply:
        started = self._clock()
        content = None if call.body is None else msgspec.json.encode(call.body)
        answer = await self._upstream.request(call.method, call.origin, call.path, content=content, timeout_s=timeout_s)
        self._emit(UpstreamAnswered(model.id, answer.status_code, call.billable, self._clock() - started))
        return Reply(
            answer.status_code, answer.content, answer.headers.get("content-type", ""), _retry_after(answer.headers)
        )

    async def _pause(self, purchase: _Purchase, seconds: float, *, at_least: float = 0.0) -> None:
        """Wait, but not past the deadline: there the task is looked at once more before it is given up."""
        left = purchase.deadline - self._clock()
        if left <= 0:
            model = purchase.model
            raise OutcomeUnknown(
                f"Upstream accepted the task, but did not finish it within the {model.time_limit_s:g} s that "
                f"'{model.id}' may take. It may have been charged, so it is not submitted again."
            )
        await self._sleep(min(max(self._spread(seconds), at_least), left))

    def _spread(self, seconds: float) -> float:
        return seconds * (1 + self._jitter * (2 * self._random() - 1))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after` in seconds; the HTTP-date form is not used by these upstreams and counts as absent."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, 60.0) if seconds > 0 else None

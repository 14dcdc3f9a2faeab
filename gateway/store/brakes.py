"""The operator's brakes: a monthly budget of the whole gateway, and models switched off. They work without a restart.

{gateway}:brakes                 hash {budget_per_month, off:<model>}: micro-dollars; why a model is off
{gateway}:brakes:month:<YYYYMM>  hash {used, reserved}: micro-dollars of a UTC month, while a budget is set
{gateway}:brakes:open            hash generation -> team|month|micro-dollars|unix ms: who has reserved
{gateway}:brakes:settled:<id>    month|micro-dollars: what a generation was settled at, for an hour
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gateway.errors import InvalidRequest
from gateway.store.connection import Client, redis_needed
from gateway.store.hashes import decoded, text
from gateway.store.scripts import Scripts

_KEY = "{gateway}:brakes"
_BUDGET = "budget_per_month"
_OFF = "off:"
_MOST = 10**13  # micro-dollars
_REASON_LENGTH = 200

Lookup = Callable[[str, str], Awaitable[int | None]]
"""Tells what a team's generation has cost in micro-dollars; None while it is under way."""


class BrakeState(msgspec.Struct, frozen=True):
    """The budget of a month in micro-dollars, if one is set, and the models that are off, each with the reason."""

    budget: int | None
    off: dict[str, str]


class Spent(msgspec.Struct, frozen=True):
    """What of this month's (YYYYMM) budget is gone, in micro-dollars; counted only while a budget is set."""

    month: str
    used: int
    reserved: int


class Brakes:
    """`clock` gives unix seconds in place of Redis's own clock, for tests.

    Redis trouble is raised as it comes; what operators do raises Unavailable instead.
    """

    def __init__(self, redis: Client, scripts: Scripts, *, clock: Callable[[], float] | None = None) -> None:
        self._redis = redis
        self._scripts = scripts
        self._clock = clock

    async def read(self) -> BrakeState:
        """Read what is set, in one round trip: each worker asks every second."""
        held = decoded(await self._redis.hgetall(_KEY))
        budget = held.get(_BUDGET)
        off = {name.removeprefix(_OFF): reason for name, reason in held.items() if name.startswith(_OFF)}
        return BrakeState(int(budget) if budget else None, off)

    async def spent(self) -> Spent:
        """Tell what of this month's budget is gone; raises Unavailable."""
        with redis_needed():
            month, used, reserved = await self._run("brakes_spent")
        return Spent(text(month), int(used), int(reserved))

    async def set_budget(self, budget: int | None) -> None:
        """Set the budget of each month in micro-dollars, or lift it. Raises InvalidRequest.

        A first budget counts from the start of the month: what teams have used, and what they have under way.
        """
        if budget is not None and not 0 <= budget <= _MOST:
            raise InvalidRequest("The budget is not from 0 to ten million dollars.", param="budget_usd_per_month")
        with redis_needed():
            if budget is None:
                await self._redis.hdel(_KEY, _BUDGET)
                return
            used, under_way = await self._commitments() if (await self.read()).budget is None else (0, [])
            await self._run("brakes_set", budget, used, *under_way)

    async def switch_off(self, model: str, reason: str = "") -> None:
        """Refuse new requests for a model (its catalogue id). Raises InvalidRequest."""
        if len(reason) > _REASON_LENGTH or not reason.isprintable():
            raise InvalidRequest(
                f"The reason is not printable text of at most {_REASON_LENGTH} characters.", param="reason"
            )
        with redis_needed():
            await self._redis.hset(_KEY, f"{_OFF}{model}", reason)

    async def switch_on(self, model: str) -> bool:
        """Let a model be used again; False if it was not off."""
        with redis_needed():
            return bool(await self._redis.hdel(_KEY, f"{_OFF}{model}"))

    async def reserve(self, generation: str, team: str, amount: int) -> bool:
        """Reserve micro-dollars for a generation; False where the budget does not allow it. It may be repeated."""
        return int(await self._run("brakes_reserve", generation, team, amount)) == 1

    async def settle(self, generation: str, cost: int, *, before: tuple[str, int] | None = None) -> None:
        """Book what a generation has cost in all, in micro-dollars. Repeating changes nothing.

        Call it for whatever ends while a budget is set, also for what reserved nothing, because it began before its
        worker knew of the budget. `before` is the month and the cost that it was booked at, where that changes after
        more than an hour.
        """
        month, was = before or ("", 0)
        await self._run("brakes_settle", generation, cost, month, was)

    async def heal(self, lookup: Lookup, *, older_than_s: float = 60) -> int:
        """Settle reservations of what has ended, or never came to be, without telling; returns how many.

        Younger ones are left alone, for their generation may be about to begin.
        """
        healed, cursor = 0, "0"
        while True:
            following, stale = await self._run("brakes_stale", int(older_than_s * 1000), cursor)
            cursor = text(following)
            for generation, team in zip(stale[::2], stale[1::2], strict=True):
                cost = await lookup(text(team), text(generation))
                if cost is not None:
                    await self.settle(text(generation), cost)
                    healed += 1
            if cursor == "0":
                return healed

    async def _commitments(self) -> tuple[int, list[str]]:
        used, under_way = 0, list[str]()
        for team in sorted(text(name) for name in await self._redis.smembers("teams")):
            told = await self._scripts.run("commitments", f"{{{team}}}:team", self._now())
            used += int(told[0])
            for generation, month, estimate in zip(told[1::3], told[2::3], told[3::3], strict=True):
                under_way += [text(generation), team, text(month), text(estimate)]
        return used, under_way

    async def _run(self, name: str, *args: str | int) -> Any:
        return await self._scripts.run(name, _KEY, self._now(), *args)

    def _now(self) -> str:
        return "" if self._clock is None else str(int(self._clock() * 1000))

"""What operators ask about generations: what is under way, what is in dispute, what became of one."""

import re
from collections.abc import AsyncIterator, Iterable
from heapq import nlargest
from itertools import islice
from typing import Any, TypeVar

import msgspec

from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.store.connection import Client, redis_needed
from gateway.store.entries import Entry, forward, newest
from gateway.store.generation_record import GenerationRecord, from_hash
from gateway.store.hashes import decoded, text
from gateway.store.journal import Resolved
from gateway.store.key_record import check_team
from gateway.store.ledger import Ledger
from gateway.store.money import in_dollars

T = TypeVar("T")

_ID = re.compile(r"gen_([0-9a-f]{11})[0-9a-f]{13}")
_AT_ONCE = 200  # records fetched in one round trip
_SKEW_MS = 300_000  # how far the clock that made an id may be ahead of Redis's
_LONGEST_MS = 86_400_000  # from a request to its settlement
_NOTE_LENGTH = 500
_MOST_ESTIMATES = 100  # that a bill may be, for a resolution is for good, and a slip of the point is easily made
_MOST_COST = 10**9  # micro-dollars, where there is no estimate


class Backlog(msgspec.Struct, frozen=True):
    """How many generations of a team are under way, of these with a lease that ran out, and unresolved."""

    team: str
    open: int
    overdue: int
    unresolved: int


class Told(msgspec.Struct, frozen=True):
    """All that is known of a generation: its record, if that is still kept, and its entries, oldest first."""

    id: str
    team: str
    record: GenerationRecord | None
    entries: tuple[Entry, ...]


class GenerationRecords:
    """Every method raises Unavailable while Redis does not answer; `team` None stands for all teams."""

    def __init__(self, redis: Client, ledger: Ledger) -> None:
        self._redis = redis
        self._ledger = ledger

    async def teams(self) -> list[str]:
        """List the teams that there ever were."""
        with redis_needed():
            return sorted(text(name) for name in await self._redis.smembers("teams"))

    async def under_way(self, team: str | None = None) -> list[GenerationRecord]:
        """List what has not ended, the oldest first; raises InvalidRequest."""
        found = await self._listed("due", team)
        return sorted((record for record in found if record.state == "open"), key=lambda record: record.at)

    async def unresolved(self, team: str | None = None) -> list[GenerationRecord]:
        """List what was perhaps charged, and nobody has compared with upstream's bill; the oldest first."""
        found = await self._listed("unresolved", team)
        return sorted((record for record in found if not record.resolved), key=lambda record: record.at)

    async def settlements(self, team: str | None = None, count: int = 50) -> list[Entry]:
        """List the last `count` entries of the usage stream, newest first; raises InvalidRequest."""
        with redis_needed():
            found = [entry for name in await self._chosen(team) for entry in await newest(self._redis, name, count)]
        return nlargest(count, found, key=lambda entry: entry.at)

    async def backlogs(self, now: float) -> list[Backlog]:
        """Count, for each team, what waits for somebody at `now` (unix seconds)."""
        told = []
        disputable = int(now - self._ledger.rules.dispute_s) * 1000
        for teams in _some(await self.teams()):
            with redis_needed():
                async with self._redis.pipeline(transaction=False) as pipe:
                    for team in teams:
                        pipe.zcard(f"{{{team}}}:due")
                        pipe.zcount(f"{{{team}}}:due", "-inf", int(now * 1000))
                        pipe.zcount(f"{{{team}}}:unresolved", disputable, "+inf")
                    counts = iter(await pipe.execute())
            told += [Backlog(team, next(counts), next(counts), next(counts)) for team in teams]
        return told

    async def show(self, name: str) -> Told:
        """Find a generation wherever it is; raises NotFound, and InvalidRequest for what is no id."""
        match = _ID.fullmatch(name)
        if match is None:
            raise InvalidRequest(f"{name[:80]!r} is not a generation's id: gen_ and 24 hexadecimal digits.", param="id")
        made_ms = int(match[1], 16)
        for team in await self.teams():
            with redis_needed():
                record = await self._record(team, name)
                entries = [entry async for entry in self._entries(team, name, made_ms, is_known=record is not None)]
            if record or entries:
                return Told(name, team, record, tuple(entries))
        raise NotFound(
            f"There is no generation {name}: its record is kept for {self._ledger.rules.outcome_s} s after its end, "
            f"or {self._ledger.rules.dispute_s // 86_400} days if its outcome is unknown, and its entries for "
            f"{self._ledger.rules.retention_days} days.",
            param="id",
        )

    async def cost(self, team: str, name: str) -> int | None:
        """Tell what a generation has cost in micro-dollars; None while it is under way, 0 if nothing is known of it."""
        with redis_needed():
            record = await self._record(team, name)
            if record is not None:
                return None if record.state == "open" else record.cost
            match = _ID.fullmatch(name)
            made_ms = int(match[1], 16) if match else 0
            return sum([entry.cost async for entry in self._entries(team, name, made_ms, is_known=False)])

    async def resolve(self, name: str, *, charged: bool, cost: int | None, by: str, note: str) -> Resolved:
        """Settle an unknown outcome: upstream charged `cost` micro-dollars for it (None: as estimated), or nothing.

        A cost is at most 100 times the estimate, or a thousand dollars where there is none.

        `by` and `note` are kept in the stream. Raises NotFound, InvalidRequest, and Conflict where there is nothing
        to resolve, or no more.
        """
        _check_cost(cost, charged=charged)
        if len(note) > _NOTE_LENGTH or not note.isprintable():
            raise InvalidRequest(f"The note is not printable text of at most {_NOTE_LENGTH} characters.", param="note")
        told = await self.show(name)
        if charged and cost is None and told.record and told.record.estimate is None:
            raise InvalidRequest(
                f"{name} has no estimate, since its model has no price: say the cost.", param="cost_usd"
            )
        _check_amount(cost, told.record.estimate if told.record else None)
        with redis_needed():
            resolved = await self._ledger.resolve(told.team, name, cost if charged else 0, by, note)
        if resolved.state == "unknown":
            return resolved
        reason = {
            "resolved": "was resolved before",
            "absent": f"can no longer be changed: {self._ledger.rules.dispute_s // 86_400} days have passed",
            "open": "is still under way",
        }.get(resolved.state, f"is {resolved.state}: nothing about it is unknown")
        raise Conflict(f"The generation {name} {reason}.", code="not_in_dispute", param="id")

    async def _listed(self, index: str, team: str | None) -> list[GenerationRecord]:
        found: list[GenerationRecord] = []
        with redis_needed():
            for name in await self._chosen(team):
                members = await self._redis.zrange(f"{{{name}}}:{index}", 0, -1, withscores=True)
                for some in _some(members):
                    found += await self._records(name, some, is_leased=index == "due")
        return found

    async def _records(self, team: str, some: list[Any], *, is_leased: bool) -> list[GenerationRecord]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, _ in some:
                pipe.hgetall(f"{{{team}}}:gen:{text(name)}")
            hashes = await pipe.execute()
        return [
            from_hash(text(name), team, decoded(held), score if is_leased else None)
            for (name, score), held in zip(some, hashes, strict=True)
            if held
        ]

    async def _record(self, team: str, name: str) -> GenerationRecord | None:
        held = decoded(await self._redis.hgetall(f"{{{team}}}:gen:{name}"))
        lease_until = await self._redis.zscore(f"{{{team}}}:due", name) if held else None
        return from_hash(name, team, held, lease_until) if held else None

    async def _entries(self, team: str, name: str, made_ms: int, *, is_known: bool) -> AsyncIterator[Entry]:
        """Give a generation's own entries: the first within a day of its id, a resolution while its record lasted."""
        until_ms = made_ms + _LONGEST_MS + self._ledger.rules.dispute_s * 1000
        seen = is_known
        async for entry in forward(self._redis, team, str(max(made_ms - _SKEW_MS, 0)), str(until_ms)):
            if not seen and entry.id != name and entry.at > made_ms + _LONGEST_MS:
                return
            if entry.id == name:
                seen = True
                yield entry

    async def _chosen(self, team: str | None) -> list[str]:
        if team is None:
            return await self.teams()
        check_team(team)
        return [team]


def _check_cost(cost: int | None, *, charged: bool) -> None:
    if cost is not None and not charged:
        raise InvalidRequest("A cost goes only with what upstream charged.", param="cost_usd")


def _check_amount(cost: int | None, estimate: int | None) -> None:
    most = estimate * _MOST_ESTIMATES if estimate else _MOST_COST
    if cost is None or 0 < cost <= most:
        return
    why = f"{_MOST_ESTIMATES} times the estimate" if estimate else "the most where there is no estimate"
    raise InvalidRequest(
        f"The cost, ${in_dollars(cost):f}, is not above 0 and at most ${in_dollars(most):f}, {why}.", param="cost_usd"
    )


def _some(all_of_them: Iterable[T]) -> Iterable[list[T]]:
    rest = iter(all_of_them)
    while some := list(islice(rest, _AT_ONCE)):
        yield some

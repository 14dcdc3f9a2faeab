"""The life of generations in Redis: who may make one, who makes it, what it cost, who may have it again.

Every decision is one atomic script on one clock, Redis's own; all keys of a team carry the hash tag `{<team>}`:

{t}:gen:<id>             hash: one generation's record (`lua/journal.lua` names its fields)
{t}:due, {t}:due:<key>   sorted sets of generations under way, by the end of their lease (unix ms)
{t}:lane:<fp>            sorted set of shared generations under way, by fingerprint
{t}:claims:<key>:<fp>    sorted set of generations that only their own client's retry may claim
{t}:cache:<fp>           hash {gen, at, model, results}: what identical requests get; {t}:cached lists them by their end
{t}:unknown:<fp>         the generation whose outcome is unknown, for as long as identical requests are held back
{t}:unresolved           sorted set of generations of unknown outcome that nobody has resolved, by their end (unix ms)
{t}:idem:<key>:<sha256>  hash {body, gen, results, at}: an idempotency key; results where the record may go before it
{t}:rate:<scope>         what a scope's bucket of requests held, and when (unix ms)
{t}:day:<d> {t}:month:<m>  hashes: what a scope has used and reserved: images a day, micro-dollars a month
{t}:usage:<d>, {t}:usage   counters of a day, and the stream of settlements that they can be proved by
{t}:verdict:<id>         an admission's verdict, for its repetition after a lost reply
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from gateway.store.clock import redis_now
from gateway.store.connection import RedisTrouble, redis_needed
from gateway.store.journal import (
    Admission,
    Ending,
    Expired,
    Journal,
    PartReport,
    PartState,
    Resolved,
    Rules,
    Settled,
    Taken,
    Verdict,
)
from gateway.store.scripts import Scripts

ENDED = "gateway:ended"
"""The channel on which scripts tell that a generation has ended that somebody waits for."""


class Ledger(Journal):
    """`clock` gives unix seconds in place of Redis's own clock, for tests.

    Redis trouble is raised as it comes, but where a method says that it raises Unavailable.
    """

    books_at_once = True

    def __init__(self, scripts: Scripts, redis: Any, rules: Rules, *, clock: Callable[[], float] | None = None) -> None:
        self._scripts = scripts
        self._redis = redis
        self.rules = rules
        self._config = msgspec.json.encode(rules)
        self._clock = clock

    async def admit(self, team: str, admission: Admission) -> Verdict:
        """Decide about a request; after a lost reply once again, which changes nothing. Raises Unavailable."""
        request = msgspec.json.encode(admission)
        with redis_needed():
            try:
                reply = await self._run("admit", team, request, self._config)
            except RedisTrouble:
                reply = await self._run("admit", team, request, self._config)
        return msgspec.json.decode(reply, type=Verdict)

    async def mark(
        self,
        team: str,
        generation: str,
        epoch: int,
        part: int,
        state: PartState,
        *,
        task: str = "",
        unless_abandoned: bool = False,
        turn: int = 0,
    ) -> Literal["ok", "lost", "abandoned"]:
        abandons = "1" if unless_abandoned else ""
        lease = self.rules.lease_ms
        reply = await self._run(
            "mark",
            team,
            generation,
            epoch,
            part,
            state,
            task,
            lease,
            abandons,
            turn,
            durable=state in {"sent", "submitted"},
        )
        told: Literal["ok", "lost", "abandoned"] = reply.decode()
        return told

    async def settle(
        self, team: str, generation: str, epoch: int, parts: Iterable[PartReport], error: bytes = b""
    ) -> Settled:
        reports = msgspec.json.encode(list(parts))
        reply = await self._run("settle", team, generation, epoch, reports, error, self._config, durable=True)
        return msgspec.json.decode(reply, type=Settled)

    async def renew(self, team: str, held: Sequence[tuple[str, int]]) -> list[str]:
        """Renew leases of (generation, epoch); returns those that are lost."""
        return await self._renew(team, self.rules.lease_ms, held)

    async def hand_over(self, team: str, held: Sequence[tuple[str, int]]) -> None:
        """Let any worker take these over at once."""
        await self._renew(team, 0, held)

    async def expire(self, team: str, *, takes_over: bool) -> tuple[list[Taken], list[Expired]]:
        """Look after generations whose lease has run out; those with a task are ours from now on."""
        reply = await self._run(
            "expire", team, self.rules.lease_ms, "1" if takes_over else "", self._config, durable=True
        )
        found = msgspec.json.decode(reply)
        taken = [_taken(team, record) for record in found.get("taken", ())]
        return taken, [msgspec.convert(record, Expired) for record in found.get("ended", ())]

    async def overdue(self, teams: Sequence[str]) -> list[str]:
        """Tell which teams have generations whose lease has run out."""
        now_s = await redis_now(self._redis) if self._clock is None else self._clock()
        async with self._redis.pipeline(transaction=False) as pipe:
            for team in teams:
                pipe.zrangebyscore(f"{{{team}}}:due", "-inf", int(now_s * 1000), start=0, num=1)
            found = await pipe.execute()
        return [team for team, due in zip(teams, found, strict=True) if due]

    async def left(self, team: str, generation: str) -> None:
        await self._leave(team, generation, "left")

    async def answered(self, team: str, generation: str) -> None:
        await self._leave(team, generation, "answered")

    async def reset(self, team: str, generation: str) -> None:
        await self._leave(team, generation, "reset")

    async def _leave(self, team: str, generation: str, how: str) -> None:
        await self._run("leave", team, generation, how, self.rules.unclaimed_s, self.rules.claim_ms)

    async def ending(self, team: str, generation: str) -> Ending:
        """Tell how a generation stands; one that is no longer known is `void`."""
        record = await self._redis.hgetall(_gen(team, generation))
        held = {_text(name): _text(value) for name, value in record.items()}
        if "state" not in held:
            return Ending("void")
        results = None
        if held["state"] == "delivered":
            parts = range(1, 1 + len(msgspec.json.decode(held["counts"])))
            kept = [held.get(f"r{part}", "") for part in parts if held.get(f"p{part}") == "delivered"]
            results = f"[{','.join(kept)}]" if all(kept) else None
        return msgspec.convert({"state": held["state"], "results": results, "error": held.get("error")}, Ending)

    async def replay(self, team: str, admission: Admission, at_ms: int, parts: Sequence[PartReport]) -> Settled | None:
        """Book, once, a generation that was made without Redis at that time (unix ms); None where it was before."""
        facts = (msgspec.json.encode(admission), at_ms, msgspec.json.encode(parts))
        reply = await self._run("replay", team, *facts, self._config, durable=True)
        return None if reply == b"{}" else msgspec.json.decode(reply, type=Settled)

    async def resolve(self, team: str, generation: str, charged: int | None, by: str, note: str) -> Resolved:
        """Settle an unknown outcome: upstream charged so many micro-dollars, or None for what was estimated."""
        amount = "" if charged is None else charged
        reply = await self._run("resolve", team, generation, amount, by, note, self._config)
        return msgspec.json.decode(reply, type=Resolved)

    async def purge(self, team: str, *, model: str = "", generation: str = "") -> int:
        """Drop cache entries of a team, or only those of a model or a generation; returns how many."""
        dropped, seen = 0, 0
        while seen >= 0:
            gone, seen = await self._run("purge", team, model, generation, seen)
            dropped += gone
        return dropped

    async def _renew(self, team: str, lease_ms: int, held: Sequence[tuple[str, int]]) -> list[str]:
        pairs: list[str | int] = [value for pair in held for value in pair]
        return [_text(name) for name in await self._run("renew", team, lease_ms, *pairs)]

    async def _run(self, name: str, team: str, *args: bytes | str | int, durable: bool = False) -> Any:
        now = "" if self._clock is None else str(int(self._clock() * 1000))
        return await self._scripts.run(name, f"{{{team}}}:team", now, *args, durable=durable)


def _gen(team: str, generation: str) -> str:
    return f"{{{team}}}:gen:{generation}"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _taken(team: str, record: dict[str, Any]) -> Taken:
    parts = range(1, 1 + len(msgspec.json.decode(record["counts"])))
    return Taken(
        id=record["id"],
        team=team,
        key=record["key"],
        epoch=int(record["epoch"]),
        plan=record["plan"],
        tasks={part: record[f"t{part}"] for part in parts if record[f"p{part}"] == "submitted"},
        age_ms=int(record["now"]) - int(record["at"]),
        unknown_parts=record["unknown_parts"],
    )

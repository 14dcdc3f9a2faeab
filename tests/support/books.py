"""Books to look into: a ledger on a real Redis, driven as the gateway drives it."""

from datetime import UTC, datetime

from gateway.store.journal import Admission, PartReport, Rules
from gateway.store.ledger import Ledger
from gateway.store.scripts import Scripts

RULES = Rules(
    lease_ms=15_000,
    join="all",
    charge_unknown=True,
    retention_days=40,
    unclaimed_s=600,
    tombstone_s=120,
    dispute_s=35 * 86_400,
    idempotency_s=86_400,
)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400


class Clock:
    """Unix seconds that stand still until they are told otherwise."""

    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        return self.now


class Books:
    """A ledger, and short words for what happens to generations. Each is told by its id."""

    def __init__(self, redis, rules=RULES):
        self.redis = redis
        self.clock = Clock()
        self.scripts = Scripts(redis)
        self.ledger = Ledger(self.scripts, redis, rules, clock=self.clock)
        self._made = 0

    async def lead(self, team="art", **asked):
        """Admit a request that is to be made, as `ask` takes it; returns the generation's id."""
        verdict = await self.ask(team, **asked)
        assert verdict.kind == "lead", verdict
        return verdict.generation

    async def ask(self, team="art", *, key="k1", model="V3", n=1, estimate=60_000, parts=None, fp=None, **asked):
        """Send a request through admission; returns the verdict."""
        await self.redis.sadd("teams", team)
        await self.redis.hsetnx(f"{{{team}}}:key:{key}", "created", 1)
        self._made += 1
        name = f"gen_{int(self.clock.now * 1000):011x}{self._made:013x}"
        admission = Admission(
            id=name,
            key=key,
            model=model,
            fp=fp or f"fp{self._made}",
            n=n,
            counts=tuple(parts or [n]),
            plan="{}",
            ttl_s=3600,
            estimate=estimate,
            **asked,
        )
        return await self.ledger.admit(team, admission)

    async def deliver(self, name, team="art", *, part=1, images=1, cost=60_000, spare=0, result='{"x":1}'):
        return await self._report(team, name, PartReport(part, "delivered", images, cost, spare, result))

    async def fail(self, name, team="art", *, part=1):
        return await self._report(team, name, PartReport(part, "failed"))

    async def lose(self, name, team="art", *, part=1):
        """Let a part's outcome be unknown."""
        return await self._report(team, name, PartReport(part, "unknown"))

    async def recover(self, name, team="art"):
        """Let its worker be lost after its submit, and another one take it over and deliver."""
        await self.ledger.mark(team, name, 1, 1, "submitted", task="task-1")
        await self.ledger.hand_over(team, [(name, 1)])  # at once: the clock stays on its day
        await self.ledger.expire(team, takes_over=True)
        await self._report(team, name, PartReport(1, "delivered", 1, 60_000), epoch=2)

    async def _report(self, team, name, report, epoch=1):
        return await self.ledger.settle(team, name, epoch, [report])

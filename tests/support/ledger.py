"""A team and its ledger on a real Valkey, on a clock that stands still until a test moves it."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.store.journal import Admission, PartReport, Rules
from gateway.store.ledger import Ledger
from gateway.store.scripts import Scripts
from tests.support.valkey import gateway_client

RULES = Rules(
    lease_ms=15_000,
    join="all",
    charge_unknown=True,
    retention_days=400,
    unclaimed_s=600,
    tombstone_s=120,
    dispute_s=35 * 86_400,
    idempotency_s=86_400,
)
DAY_S = 86_400
PRICE = 40_000
UNSHARED = {"shared": False, "stores": False}


def unix(*date):
    """Tell the unix seconds of a UTC date."""
    return int(datetime(*date, tzinfo=UTC).timestamp())


NOON = unix(2027, 3, 10, 12)


async def unheard(generation, cost):
    """Hear of what a spool has booked, and do nothing."""


def untold(event):
    """Hear of an event, and do nothing."""


class Clock:
    """Unix time, kept in milliseconds."""

    def __init__(self):
        self.ms = NOON * 1000

    def __call__(self):
        return self.ms / 1000

    def set(self, unix_s):
        self.ms = int(unix_s * 1000)

    @property
    def day(self):
        return f"{datetime.fromtimestamp(self.ms / 1000, UTC):%Y%m%d}"


class Team:
    """A team with the keys `k1` and `k2`, and what a test does to it and sees of it.

    A generation is told by its verdict. `worker()` makes a ledger of another worker, whose clock is the same.
    """

    def __init__(self, redis, server, clock, name="art"):
        self.redis = redis
        self.clock = clock
        self.name = name
        self._server = server
        self._raw = server.client()
        self._asked = 0
        self.rules = RULES
        self.ledger = self.worker()

    def worker(self, **rules):
        return Ledger(Scripts(self.redis), self.redis, msgspec.structs.replace(self.rules, **rules), clock=self.clock)

    def set_rules(self, **rules):
        self.rules = msgspec.structs.replace(self.rules, **rules)
        self.ledger = self.worker()

    def other(self, name):
        """Make another team in the same store, asking on the same clock."""
        team = Team(self.redis, self._server, self.clock, name)
        team._asked = 1000
        return team

    def empty(self):
        """Begin anew: nothing is held but the two keys."""
        self._raw.flushall()
        self.make_keys()

    def make_keys(self):
        self.set("key:k1", created=1)
        self.set("key:k2", created=1)

    def close(self):
        self._raw.close()

    # What a test does.

    def set(self, what, **fields):
        """Set fields of `key:<id>` or `team`, limits among them; None takes one away."""
        name = self.name_of(what)
        for field, value in fields.items():
            if value is None:
                self._raw.hdel(name, field)
            else:
                self._raw.hset(name, field, value)

    def question(self, **asked):
        """Make an admission: one picture of its own fingerprint by `k1`, cached and shared, unless asked for otherwise."""
        self._asked += 1
        asked.setdefault("counts", (1,))
        n = asked.setdefault("n", sum(asked["counts"]))
        defaults = {
            "id": f"gen_{self._asked}",
            "key": "k1",
            "model": "V3",
            "fp": f"fp_{self._asked}",
            "plan": '{"brief":1}',
            "ttl_s": 3600,
            "estimate": n * PRICE,
            "shared": True,
            "stores": True,
        }
        return Admission(**(defaults | asked))

    async def ask(self, **asked):
        return await self.ledger.admit(self.name, self.question(**asked))

    async def lead(self, **asked):
        verdict = await self.ask(**asked)
        assert verdict.kind == "lead", verdict
        return verdict

    async def mark(self, led, state, part=1, **more):
        return await self.ledger.mark(self.name, led.generation, led.epoch, part, state, **more)

    async def settle(self, led, *reports, error=b"", ledger=None):
        return await (ledger or self.ledger).settle(self.name, led.generation, led.epoch, reports, error)

    async def deliver(self, led, **what):
        """Settle part 1 with a picture: the usual end."""
        return await self.settle(led, delivered(**what))

    async def left(self, led):
        await self.ledger.left(self.name, led.generation)

    async def answered(self, led):
        await self.ledger.answered(self.name, led.generation)

    async def ending(self, led):
        return await self.ledger.ending(self.name, led.generation)

    async def expire(self, *, takes_over=True, ledger=None):
        return await (ledger or self.ledger).expire(self.name, takes_over=takes_over)

    async def resolve(self, led, charged):
        await self.ledger.resolve(self.name, led.generation, charged, "somebody", "as billed")

    def lapse(self):
        """Let every lease run out, but nothing else."""
        self.clock.ms += self.rules.lease_ms + 1

    def pass_s(self, seconds):
        """Let time pass for the clock and for all that Valkey keeps for a while."""
        self.clock.ms += int(seconds * 1000)
        for name in self.names():
            left_ms = self._raw.pttl(name)
            if left_ms > seconds * 1000:
                self._raw.pexpire(name, left_ms - int(seconds * 1000))
            elif left_ms >= 0:
                self._raw.delete(name)

    def publish(self, channel, message):
        """Publish behind all that the team's own server has published."""
        self._raw.publish(channel, message)

    # What a test sees.

    def name_of(self, what):
        return f"{{{self.name}}}:{what}"

    def names(self):
        """List all that is held for this team."""
        prefix = self.name_of("").encode()
        return sorted(name for name in self._raw.keys("*") if name.startswith(prefix))

    def dump(self):
        """Take all that is held for this team, with the time at which it goes."""
        return {name: (self._raw.execute_command("PEXPIRETIME", name), self._value(name)) for name in self.names()}

    def hash(self, what):
        return {name.decode(): value.decode() for name, value in self._raw.hgetall(self.name_of(what)).items()}

    def members(self, what):
        return {name.decode() for name in self._raw.zrange(self.name_of(what), 0, -1)}

    def record(self, led):
        return self.hash(f"gen:{led.generation}")

    def kept_s(self, what):
        """How many more seconds something is held: None for ever, 0 not at all."""
        left_ms = self._raw.pttl(self.name_of(what))
        return None if left_ms == -1 else 0 if left_ms == -2 else round(left_ms / 1000)

    def window(self, window, scope="team"):
        """Tell what is (used, reserved) in `day:<YYYYMMDD>` or `month:<YYYYMM>`."""
        held = self.hash(window)
        return int(held.get(f"{scope}:used", 0)), int(held.get(f"{scope}:reserved", 0))

    def windows(self, day="20270310"):
        """Tell what the team has (used, reserved) of images in a day, and of money in its month."""
        return self.window(f"day:{day}"), self.window(f"month:{day[:6]}")

    def counters(self, day="20270310"):
        """Add up what is counted of a day, over all keys and models, without zeros."""
        sums = {}
        for field, value in self.hash(f"usage:{day}").items():
            what = field.rpartition("|")[2]
            sums[what] = sums.get(what, 0) + int(value)
        return {what: value for what, value in sums.items() if value}

    def entries(self):
        """List the stream of settlements."""
        return [
            {name.decode(): value.decode() for name, value in entry.items()}
            for _, entry in self._raw.xrange(self.name_of("usage"))
        ]

    def _value(self, name):
        read = {
            b"hash": self._raw.hgetall,
            b"string": self._raw.get,
            b"zset": lambda name: self._raw.zrange(name, 0, -1, withscores=True),
            b"stream": self._raw.xrange,
        }
        return read[self._raw.type(name)](name)


def delivered(part=1, images=1, cost=PRICE, spare=0, result=None):
    """Report a part with pictures."""
    return PartReport(part, "delivered", images, cost, spare, f'{{"part":{part}}}' if result is None else result)


def ended(state, part=1, spare=0):
    """Report a part without pictures."""
    return PartReport(part, state, spare=spare)


@asynccontextmanager
async def team_at(url, server):
    """Make a team on an empty Redis; `server` is the node that holds it."""
    client = gateway_client(url)
    team = Team(client, server, Clock())
    team.make_keys()
    yield team
    team.close()
    await client.aclose()


@pytest.fixture(params=["valkey", "cluster"])
async def team(request):
    """Make a team on an empty Valkey, then on a cluster of three."""
    lent = request.getfixturevalue(request.param)
    server = lent.owner("{art}:team") if request.param == "cluster" else lent
    async with team_at(lent.url, server) as made:
        yield made


@pytest.fixture
async def lone_team(valkey):
    """Make a team on an empty Valkey alone, for what takes thousands of steps."""
    async with team_at(valkey.url, valkey) as made:
        yield made

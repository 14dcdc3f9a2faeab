"""How teams and the books stand, on a server and on a cluster."""

import time

import pytest

from gateway.store.brakes import Brakes
from gateway.store.connection import connect
from gateway.store.ledger import Ledger
from gateway.store.scripts import Scripts
from gateway.store.standing import StandingReader
from gateway.store.teams import Teams
from gateway.telemetry.standing import TeamStanding
from tests.support.books import Books
from tests.support.ledger import NOON, RULES
from tests.support.valkey import gateway_client


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["valkey_url", "cluster_url"])
async def redis(request):
    client = gateway_client(request.getfixturevalue(request.param))
    yield client
    await client.aclose()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reader(redis, clock):
    return StandingReader(
        redis, redis, Brakes(redis, Scripts(redis), clock=lambda: NOON), now=lambda: NOON, clock=clock
    )


async def book(redis, team, **spent):
    await redis.hset(f"{{{team}}}:month:202703", mapping={f"team:{name}": value for name, value in spent.items()})


async def test_nothing_stands_at_first(reader):
    """No team, no reservation, no budget; the blobs server tells its memory."""
    standing = await reader.read()

    assert ([], 0, 0, 0, None) == (
        standing.teams, standing.open, standing.overdue, standing.unresolved, standing.budget,
    )  # fmt: skip
    assert standing.blobs.used > 0


async def test_budgets_are_read_for_all_teams(redis, reader):
    """Those of this UTC month, of every slot of a cluster."""
    teams = Teams(redis, clock=lambda: NOON)
    await teams.set("art", {"budget_per_month": 10_000_000})
    await teams.set("ops", {})
    await book(redis, "art", used=2_000_000, reserved=500_000)
    await redis.hset("{ops}:month:202702", "team:used", 7)

    standing = await reader.read()

    assert [TeamStanding("art", 10_000_000, 2_000_000, 500_000), TeamStanding("ops", None, 0, 0)] == standing.teams


async def test_more_teams_than_one_round_trip_takes(redis, reader):
    """Each is told with its own numbers."""
    names = [f"t{index:03}" for index in range(450)]
    await redis.sadd("teams", *names)
    await book(redis, "t449", used=9)

    standing = await reader.read()

    assert names == [team.team for team in standing.teams]
    assert [9] == [team.used for team in standing.teams if team.used]


async def test_reservations_are_summed_over_teams(redis, reader):
    """Open ones, those whose lease has run out, and those of unknown outcome."""
    for team in ("art", "ops"):
        await redis.sadd("teams", team)
        await redis.zadd(f"{{{team}}}:due", {"late": NOON * 1000 - 1, "now": NOON * 1000 + 1})
        await redis.zadd(f"{{{team}}}:unresolved", {"gen": 1})

    standing = await reader.read()

    assert (4, 2, 2) == (standing.open, standing.overdue, standing.unresolved)


@pytest.mark.parametrize("wrong_s", [-40 * 86_400, 40 * 86_400])
async def test_leases_and_months_go_by_the_clock_of_redis(redis, clock, monkeypatch, wrong_s):
    """However wrong the host's is, nothing is overdue that has a lease, and the month is the one that is booked on."""
    books = Books(redis)
    books.ledger = Ledger(books.scripts, redis, RULES)
    await books.lead("art")
    left = await books.lead("ops")
    await books.ledger.hand_over("ops", [(left, 1)])
    wrong = time.time_ns() / 1e9 + wrong_s
    monkeypatch.setattr(time, "time", lambda: wrong)

    standing = await StandingReader(redis, redis, Brakes(redis, Scripts(redis)), clock=clock).read()

    assert (2, 1) == (standing.open, standing.overdue)
    assert [60_000, 60_000] == [team.reserved for team in standing.teams]


async def test_the_budget_of_the_whole_gateway(redis, reader):
    """While one is set, with what is spent of it."""
    brakes = Brakes(redis, Scripts(redis), clock=lambda: NOON)
    await brakes.set_budget(5_000_000)
    await brakes.reserve("gen_1", "art", 300_000)
    await brakes.settle("gen_1", 250_000)

    standing = await reader.read()

    assert (5_000_000, 250_000) == (standing.budget, standing.used)


async def test_it_reads_once_a_second_at_most(redis, reader, clock):
    """However many ask: anybody may, where metrics are public."""
    first = await reader.read()
    await redis.sadd("teams", "art")
    clock.now += 0.9

    assert first is await reader.read()
    clock.now += 0.2
    assert ["art"] == [team.team for team in (await reader.read()).teams]


async def test_while_redis_is_away_there_is_nothing_to_tell(own_valkey, clock):
    """And when it is back, there is."""
    client = gateway_client(own_valkey.url)
    reader = StandingReader(client, client, Brakes(client, Scripts(client)), now=lambda: NOON, clock=clock)
    own_valkey.kill()
    assert await reader.read() is None
    own_valkey.start()
    clock.now += 2

    assert [] == (await reader.read()).teams
    await client.aclose()


async def test_a_blobs_server_that_is_away_hides_nothing_else(redis, clock):
    """State answers for itself."""
    away = connect("unix:///nowhere", command_timeout_s=1, connect_timeout_s=1, max_connections=1, pool_timeout_s=1)
    reader = StandingReader(redis, away, Brakes(redis, Scripts(redis)), now=lambda: NOON, clock=clock)

    standing = await reader.read()

    assert standing.blobs is None
    assert [] == standing.teams
    await away.aclose()

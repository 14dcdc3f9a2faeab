import pytest

from gateway.errors import InvalidRequest, NotFound, Unavailable
from gateway.store.journal import Admission, Rules
from gateway.store.keys import Keys
from gateway.store.ledger import Ledger
from gateway.store.limits import KINDS, Limits
from gateway.store.scripts import Scripts
from gateway.store.teams import TeamRecord, Teams
from tests.support.valkey import everything_in, gateway_client

NOW = 1_800_000_000  # 2027-01-15 08:00 UTC
RULES = Rules(
    lease_ms=60_000,
    join="all",
    charge_unknown=True,
    retention_days=10,
    outcome_s=60,
    unclaimed_s=60,
    tombstone_s=60,
    dispute_s=60,
    idempotency_s=60,
    claim_ms=60_000,
    late_ms=60_000,
)


@pytest.fixture(params=["valkey_url", "cluster_url"])
async def any_redis(request):
    client = gateway_client(request.getfixturevalue(request.param))
    yield client
    await client.aclose()


@pytest.fixture
def teams(any_redis):
    return Teams(any_redis, clock=lambda: NOW)


async def test_a_team_is_there_once_it_is_set(teams, any_redis):
    """With the limits that were given; setting it again changes those that are given and nothing else."""
    made = await teams.set("art", {"images_per_day": 5, "budget_per_month": 12_500_000})
    assert made == TeamRecord("art", NOW, Limits(images_per_day=5, budget_per_month=12_500_000))
    later = Teams(any_redis, clock=lambda: NOW + 9)
    changed = await later.set("art", {"images_per_day": None, "max_concurrent": 2})
    assert changed == TeamRecord("art", NOW, Limits(budget_per_month=12_500_000, max_concurrent=2))
    assert await later.set("art", {}) == changed == await teams.show("art")


async def test_a_team_without_limits_is_a_team(teams):
    """Nothing needs to be limited."""
    assert await teams.set("art", {}) == TeamRecord("art", NOW, Limits())
    assert await teams.list() == (TeamRecord("art", NOW, Limits()),)


async def test_a_team_is_there_once_it_has_a_key(teams, any_redis):
    """And its first key does not undo limits that were set before."""
    await teams.set("set-before", {"images_per_day": 5})
    keys = Keys(any_redis, clock=lambda: NOW + 7)
    for team in ("zoo", "zoo", "set-before"):
        await keys.create(team)
    assert await teams.list() == (
        TeamRecord("set-before", NOW, Limits(images_per_day=5)),
        TeamRecord("zoo", NOW + 7, Limits()),
    )
    assert await keys.teams() == ["set-before", "zoo"]


async def test_a_team_from_before_there_were_limits_is_shown(teams, any_redis):
    """When it was made is then not known."""
    await any_redis.sadd("teams", "old")
    assert await teams.show("old") == TeamRecord("old", None, Limits())


async def test_an_unknown_team_is_not_found(teams):
    """The message says where the teams are."""
    with pytest.raises(NotFound, match="There is no team 'zoo': `gateway teams list` shows them all") as raised:
        await teams.show("zoo")
    assert raised.value.param == "team"
    assert await teams.list() == ()


async def test_what_cannot_be_is_refused_before_anything_is_written(redis_client, valkey):
    """The name of a team, and each limit."""
    teams = Teams(redis_client)
    with pytest.raises(InvalidRequest, match="'Art' is not a team name"):
        await teams.set("Art", {})
    with pytest.raises(InvalidRequest, match="is not a team name"):
        await teams.show("a}b")
    with pytest.raises(InvalidRequest, match="images_per_day = -1"):
        await teams.set("art", {"max_concurrent": 1, "images_per_day": -1})
    assert everything_in(valkey) == ""


async def test_redis_away_is_a_503():
    """For every method."""
    client = gateway_client("unix:///nowhere")
    teams = Teams(client)
    for call in (teams.set("t", {}), teams.list(), teams.show("t")):
        with pytest.raises(Unavailable):
            await call
    await client.aclose()


async def denial(redis, team, key, estimate=1):
    ledger = Ledger(Scripts(redis), redis, RULES, clock=lambda: NOW)
    admission = Admission(id="g", key=key.id, model="V3", fp="f", n=1, counts=(1,), plan="", ttl_s=0, estimate=estimate)
    verdict = await ledger.admit(team, admission)
    return verdict.kind, verdict.scope, verdict.limit, verdict.allowed, verdict.remaining


async def test_the_ledger_obeys_what_is_set_here(teams, any_redis):
    """Of the team and of the key, at once, and lifted again."""
    keys = Keys(any_redis, clock=lambda: NOW)
    key = await keys.create("art", limits=Limits(images_per_day=0))
    assert await denial(any_redis, "art", key) == ("denied", "key", "images_per_day", 0, 0)
    await teams.set("art", {"budget_per_month": 9})
    free = await keys.create("art")
    assert await denial(any_redis, "art", free, 10) == ("denied", "team", "budget_per_month", 9, 9)
    await teams.set("art", {"budget_per_month": None})
    assert (await denial(any_redis, "art", free))[0] == "lead"
    assert (await keys.show(free.id)).used == NOW


async def test_the_ledger_tells_the_largest_budget_exactly(teams, any_redis):
    """A script's numbers and their JSON lose nothing of what may be set."""
    most = KINDS["budget_usd_per_month"].most
    key = await Keys(any_redis).create("art")
    await teams.set("art", {"budget_per_month": most - 1})
    assert await denial(any_redis, "art", key, most) == ("denied", "team", "budget_per_month", most - 1, most - 1)

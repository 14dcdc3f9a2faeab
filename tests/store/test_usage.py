from datetime import date, timedelta

import pytest

from gateway.errors import InvalidRequest, Unavailable
from gateway.store.usage import Line, Totals, UsageReports
from tests.support.books import DAY_S, Books
from tests.support.valkey import gateway_client

TODAY = date(2026, 11, 22)


@pytest.fixture(params=["valkey_url", "cluster_url"])
async def any_redis(request):
    client = gateway_client(request.getfixturevalue(request.param))
    yield client
    await client.aclose()


@pytest.fixture
def books(any_redis):
    return Books(any_redis)


@pytest.fixture
def reports(any_redis):
    return UsageReports(any_redis)


async def some_use(books):
    """Two teams, three keys, two models, two days."""
    await books.deliver(
        await books.lead("art", key="k1", model="V3", n=2, estimate=120_000), "art", images=2, cost=120_000, spare=5
    )
    await books.fail(await books.lead("art", key="k2", model="Qwen-Image", estimate=35_000), "art")
    books.clock.now += DAY_S
    await books.lose(await books.lead("art", key="k1", model="V3"), "art")
    await books.deliver(await books.lead("zoo", key="k3"), "zoo")


@pytest.mark.parametrize(
    ("by", "lines"),
    [
        ("day", {"2026-11-22": (2, 2, 120_000), "2026-11-23": (2, 1, 120_000)}),
        ("model", {"Qwen-Image": (1, 0, 0), "V3": (3, 3, 240_000)}),
        ("key", {"k1": (2, 2, 180_000), "k2": (1, 0, 0), "k3": (1, 1, 60_000)}),
        ("team", {"art": (3, 2, 180_000), "zoo": (1, 1, 60_000)}),
    ],
)
async def test_use_is_told_by_day_model_key_or_team(books, reports, by, lines):
    """With the same sum each time, which the last line tells."""
    await some_use(books)
    report = await reports.report(TODAY, TODAY + timedelta(days=1), by=by)
    assert {line.name: (line.totals.requests, line.totals.images, line.totals.cost) for line in report.lines} == lines
    assert report.total == Totals(requests=4, generations=4, images=3, failures=1, unknown=1, cost=240_000, spare=5)


async def test_a_report_holds_its_days_and_its_team_alone(books, reports):
    """Both ends of the range are part of it."""
    await some_use(books)
    report = await reports.report(TODAY, TODAY, by="team", team="art")
    assert report.lines == (
        Line("art", Totals(requests=2, generations=2, images=2, failures=1, cost=120_000, spare=5)),
    )
    nothing = await reports.report(TODAY - timedelta(days=400), TODAY - timedelta(days=1))
    assert (nothing.lines, nothing.total) == ((), Totals())


async def test_hits_joins_and_denials_are_counted_and_cost_nothing(books, reports):
    """A hit and a join are requests; what a limit refuses is not."""
    first = await books.lead(fp="same", shared=True, stores=True)
    assert (await books.ask(fp="same", shared=True, stores=True)).kind == "join"
    await books.deliver(first)
    assert (await books.ask(fp="same", shared=True, stores=True)).kind == "hit"
    await books.redis.hset("{art}:team", "images_per_day", 1)
    assert (await books.ask()).kind == "denied"
    assert (await reports.report(TODAY, TODAY)).total == Totals(
        requests=3, generations=1, images=1, hits=1, joins=1, denied=1, cost=60_000
    )


async def test_a_day_more_than_fits_in_one_round_trip_is_no_matter(books, reports):
    """A long range of many teams is fetched in several."""
    for team in ("a", "b", "c"):
        await books.deliver(await books.lead(team), team)
    assert (await reports.report(TODAY - timedelta(days=300), TODAY)).total.images == 3


@pytest.mark.parametrize(("days", "team"), [(-1, None), (10_000, None), (1, "No Team")])
async def test_what_cannot_be_a_range_or_a_team_is_refused(reports, days, team):
    """Before Redis is asked."""
    with pytest.raises(InvalidRequest):
        await reports.report(TODAY - timedelta(days=days), TODAY, team=team)


async def test_redis_away_is_said():
    """As everywhere."""
    client = gateway_client("unix:///nowhere")
    with pytest.raises(Unavailable):
        await UsageReports(client).report(TODAY, TODAY)
    await client.aclose()

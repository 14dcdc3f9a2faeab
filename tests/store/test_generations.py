import pytest

from gateway.errors import Conflict, InvalidRequest, NotFound, Unavailable
from gateway.store.generation_record import Part
from gateway.store.generations import Backlog, GenerationRecords
from tests.support.books import DAY_S, NOON, Books
from tests.support.valkey import gateway_client


@pytest.fixture(params=["valkey_url", "cluster_url"])
async def any_redis(request):
    client = gateway_client(request.getfixturevalue(request.param))
    yield client
    await client.aclose()


@pytest.fixture
def books(any_redis):
    return Books(any_redis)


@pytest.fixture
def records(books):
    return GenerationRecords(books.redis, books.ledger)


async def forget(books, name, team="art"):
    """Let the record's life pass."""
    await books.redis.delete(f"{{{team}}}:gen:{name}")


async def test_what_is_under_way_is_listed_oldest_first(books, records):
    """With the state of each part, its task, and how long its worker still holds it."""
    first = await books.lead(n=2, parts=[1, 1], user="u7")
    books.clock.now += 3
    second = await books.lead("zoo")
    await books.ledger.mark("art", first, 1, 2, "submitted", task="t-1")
    listed = await records.under_way()
    assert [(record.id, record.team) for record in listed] == [(first, "art"), (second, "zoo")]
    assert listed[0].parts == (Part("reserved", 1, 0, 0, ""), Part("submitted", 1, 0, 0, "t-1"))
    told = listed[0]
    assert (told.epoch, told.estimate, told.user, told.at) == (1, 60_000, "u7", NOON * 1000)
    assert told.lease_until == (NOON + 3 + 15) * 1000
    assert [record.id for record in await records.under_way("zoo")] == [second]
    await books.deliver(second, "zoo")
    assert [record.id for record in await records.under_way()] == [first]


async def test_what_is_in_dispute_is_listed_until_it_is_resolved(books, records):
    """A generation of which one part arrived, and another may have, is in dispute as well."""
    whole, half, fine = await books.lead(), await books.lead(n=2, parts=[1, 1]), await books.lead()
    await books.lose(whole)
    await books.deliver(half, part=1, cost=30_000)
    await books.lose(half, part=2)
    await books.deliver(fine)
    listed = await records.unresolved("art")
    assert [(record.id, record.state, record.unknown) for record in listed] == [
        (whole, "unknown", 1),
        (half, "delivered", 1),
    ]
    await records.resolve(whole, charged=False, cost=None, by="ann", note="not on the bill")
    assert [record.id for record in await records.unresolved()] == [half]


async def test_settlements_are_listed_newest_first(books, records):
    """Of all teams in one order, or of one."""
    for team in ("art", "zoo", "art"):
        await books.deliver(await books.lead(team), team)
        books.clock.now += 1
    assert [entry.team for entry in await records.settlements()] == ["art", "zoo", "art"]
    assert [entry.team for entry in await records.settlements(count=2)] == ["art", "zoo"]
    assert [entry.at for entry in await records.settlements("zoo")] == [(NOON + 1) * 1000]


async def test_backlogs_count_what_waits_for_somebody(books, records):
    """Under way, of these overdue, and in dispute."""
    await books.lead()
    books.clock.now += 20
    await books.lead()
    await books.lose(await books.lead("zoo"), "zoo")
    assert await records.backlogs(books.clock.now) == [Backlog("art", 2, 1, 0), Backlog("zoo", 0, 0, 1)]


async def test_a_generation_is_found_by_its_id_in_any_team(books, records):
    """Its record while that is kept, and its entries."""
    await books.lead("art")
    name = await books.lead("zoo")
    assert (await records.show(name)).entries == ()
    await books.deliver(name, "zoo")
    told = await records.show(name)
    assert (told.team, told.record.state, told.record.cost) == ("zoo", "delivered", 60_000)
    assert [(entry.kind, entry.images, entry.cost) for entry in told.entries] == [("settled", 1, 60_000)]


async def test_what_became_of_it_is_known_without_its_record(books, records):
    """From the stream, among others' entries; also how its dispute ended weeks later, and who said so."""
    name = await books.lead("zoo")
    await books.lose(name, "zoo")
    for _ in range(20):
        await books.deliver(await books.lead("zoo"), "zoo")
        books.clock.now += DAY_S
    await records.resolve(name, charged=True, cost=50_000, by="ann", note="bill 7")
    await forget(books, name, "zoo")
    told = await records.show(name)
    assert (told.team, told.record) == ("zoo", None)
    settled, resolved = told.entries
    assert (settled.kind, settled.unknown, settled.cost) == ("settled", 1, 60_000)
    assert (resolved.kind, resolved.cost, resolved.by, resolved.note) == ("resolved", -10_000, "ann", "bill 7")
    assert resolved.at - settled.at == 20 * DAY_S * 1000
    with pytest.raises(Conflict):
        await records.resolve(name, charged=False, cost=None, by="ann", note="")


@pytest.mark.parametrize(
    ("charged", "cost", "booked"), [(True, None, 60_000), (True, 70_000, 70_000), (False, None, 0)]
)
async def test_a_dispute_is_resolved_against_upstreams_bill(books, records, charged, cost, booked):
    """At the estimate, at what the bill says, or at nothing; once."""
    name = await books.lead()
    await books.lose(name)
    resolved = await records.resolve(name, charged=charged, cost=cost, by="ann", note="")
    assert (resolved.was, resolved.charged, resolved.cost) == (60_000, booked, booked)
    assert int(await books.redis.hget("{art}:month:202611", "team:used") or 0) == booked
    assert (await records.show(name)).record.cost == booked
    with pytest.raises(Conflict, match="was resolved before"):
        await records.resolve(name, charged=True, cost=None, by="bob", note="")


async def test_what_is_not_in_dispute_is_not_resolved(books, records):
    """Neither one under way nor one that is settled."""
    name = await books.lead()
    with pytest.raises(Conflict, match="still under way"):
        await records.resolve(name, charged=False, cost=None, by="ann", note="")
    await books.deliver(name)
    with pytest.raises(Conflict, match="is delivered: nothing about it is unknown"):
        await records.resolve(name, charged=False, cost=None, by="ann", note="")


async def test_a_charge_without_a_price_must_be_said(books, records):
    """There is no estimate to take."""
    name = await books.lead(estimate=None)
    await books.lose(name)
    with pytest.raises(InvalidRequest, match="say the cost"):
        await records.resolve(name, charged=True, cost=None, by="ann", note="")
    with pytest.raises(
        InvalidRequest, match=r"\$1000\.01, is not above 0 and at most \$1000, the most where there is no"
    ):
        await records.resolve(name, charged=True, cost=1_000_010_000, by="ann", note="")
    assert (await records.resolve(name, charged=True, cost=5, by="ann", note="")).cost == 5


@pytest.mark.parametrize(
    ("charged", "cost", "note"),
    [(False, 5, ""), (True, 0, ""), (True, -1, ""), (True, 10**14, ""), (True, None, "x" * 501), (True, None, "a\nb")],
)
async def test_what_makes_no_sense_is_refused(books, records, charged, cost, note):
    name = await books.lead()
    await books.lose(name)
    with pytest.raises(InvalidRequest):
        await records.resolve(name, charged=charged, cost=cost, by="ann", note=note)


async def test_what_nobody_knows_is_not_found(books, records):
    """Nor is what cannot be an id."""
    await books.lead()
    with pytest.raises(NotFound, match="gen_01998888888"):
        await records.show("gen_019988888880000000000000")
    with pytest.raises(InvalidRequest):
        await records.show("gen_1")


async def test_the_cost_of_a_generation_is_known_to_the_end(books, records):
    """None while it is under way, then its record's, then the sum of its entries; 0 if it never was."""
    name = await books.lead()
    assert await records.cost("art", name) is None
    await books.lose(name)
    await records.resolve(name, charged=True, cost=70_000, by="ann", note="")
    assert await records.cost("art", name) == 70_000
    await forget(books, name)
    assert await records.cost("art", name) == 70_000
    assert await records.cost("art", "gen_019988888880000000000000") == 0


async def test_redis_away_is_said():
    """As everywhere."""
    client = gateway_client("unix:///nowhere")
    records = GenerationRecords(client, Books(client).ledger)
    for asked in (records.under_way(), records.settlements(), records.show("gen_019988888880000000000000")):
        with pytest.raises(Unavailable):
            await asked
    await client.aclose()

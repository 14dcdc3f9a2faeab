"""Admission: what becomes of a request, in which order, and what that leaves behind."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store.journal import Verdict
from gateway.store.ledger import Ledger
from gateway.store.scripts import Scripts
from tests.support.ledger import NOON, PRICE, UNSHARED, delivered, ended, unix
from tests.support.relay import relayed
from tests.support.valkey import gateway_client

LIMITED = {"requests_per_minute": 5, "images_per_day": 10, "budget_per_month": 10 * PRICE, "max_concurrent": 4}


async def a_lead(team):
    return team.question()


async def a_join(team):
    await team.lead(fp="fp")
    return team.question(fp="fp")


async def a_hit(team):
    await team.deliver(await team.lead(fp="fp"))
    return team.question(fp="fp")


async def a_replay(team):
    led = await team.lead(fp="fp", **UNSHARED)
    await team.left(led)
    await team.deliver(led)
    return team.question(fp="fp", **UNSHARED)


async def an_unknown(team):
    led = await team.lead(fp="fp")
    await team.settle(led, ended("unknown"))
    return team.question(fp="fp")


async def a_gone(team):
    led = await team.lead(idempotency="i", body="b")
    await team.deliver(led)
    return team.question(idempotency="i", body="b", missing=led.generation)


async def a_conflict(team):
    await team.lead(idempotency="i", body="b")
    return team.question(idempotency="i", body="another")


async def a_denial(team):
    team.set("team", images_per_day=0)
    return team.question()


async def a_refusal(team):
    team.set("key:k1", revoked=NOON)
    return team.question()


STORED = {
    "lead": a_lead,
    "join": a_join,
    "hit": a_hit,
    "replay": a_replay,
    "unknown": an_unknown,
    "gone": a_gone,
}
PASSING = {"conflict": a_conflict, "denied": a_denial, "refused": a_refusal}


@pytest.mark.parametrize("kind", STORED)
async def test_a_verdict_is_told_again(team, kind):
    """The same request after a lost reply hears the same verdict, and nothing changes."""
    question = await STORED[kind](team)
    first = await team.ledger.admit("art", question)
    before = team.dump()
    team.clock.ms += 1_000
    again = await team.ledger.admit("art", question)

    assert kind == first.kind
    assert first == again
    assert before == team.dump()


async def test_a_verdict_is_told_again_whatever_has_changed(team):
    """A key revoked, a limit lowered and a day turned meanwhile are no matter: what was decided was done."""
    question = team.question()
    first = await team.ledger.admit("art", question)
    team.set("key:k1", revoked=NOON)
    team.set("team", requests_per_minute=1, max_concurrent=1)
    team.clock.set(unix(2027, 3, 11))

    assert first == await team.ledger.admit("art", question)
    assert (0, 1) == team.window("day:20270310")


@pytest.mark.parametrize("kind", PASSING)
async def test_what_was_not_admitted_leaves_nothing_but_a_count(team, kind):
    """A denial, a refusal and a conflict take no rate, no quota and no slot; denials alone are counted."""
    question = await PASSING[kind](team)
    before = team.dump()
    verdict = await team.ledger.admit("art", question)
    after = team.dump()

    assert kind == verdict.kind
    assert (1 if kind == "denied" else 0) == team.counters().get("denied", 0)
    usage = team.name_of("usage:20270310").encode()
    before.pop(usage, None)
    after.pop(usage, None)
    assert before == after


async def test_a_lost_reply_makes_one_generation(valkey, lone_team):
    """When the connection breaks after the script ran, the ledger asks again and gets the lead that it has already."""
    with valkey.client() as raw:
        raw.script_flush()
    async with relayed(str(valkey.socket), cut_at=b"$4\r\nEVAL\r\n") as relay:
        client = gateway_client(relay.url)
        ledger = Ledger(Scripts(client), client, lone_team.rules, clock=lone_team.clock)
        verdict = await ledger.admit("art", lone_team.question(id="gen_x"))
        await client.aclose()

    asked = [request for request in relay.requests if b'"gen_x"' in request]
    assert 3 == len(asked)  # not known by its hash, run in full, asked for again
    assert ("lead", "gen_x") == (verdict.kind, verdict.generation)
    assert ((0, 1), (0, PRICE)) == lone_team.windows()
    assert {"requests": 1} == lone_team.counters()


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"revoked": NOON - 5}, Verdict("refused", why="revoked", at=NOON - 5)),
        ({"revoked": "", "expires": NOON}, Verdict("refused", why="expired", at=NOON)),
        ({"models": "V3-turbo,gpt-image-1,XV3"}, Verdict("refused", why="model", models="V3-turbo,gpt-image-1,XV3")),
        ({"created": None}, Verdict("refused", why="unknown")),
    ],
)
async def test_a_key_that_may_not(team, fields, verdict):
    """A key that is unknown, revoked, expired or kept to other models is refused, in that order before all else."""
    await team.deliver(await team.lead(fp="fp", idempotency="i", body="b"))
    team.set("key:k1", **fields)
    team.set("team", requests_per_minute=1)

    assert verdict == await team.ask(fp="fp", idempotency="i", body="other")


@pytest.mark.parametrize(
    "fields", [{"revoked": "", "expires": "", "models": ""}, {"expires": NOON + 1}, {"models": "x,V3"}]
)
async def test_a_key_that_may(team, fields):
    """Empty fields are none; a key works until the second of its expiry, and for each of its models."""
    team.set("key:k1", **fields)
    assert "lead" == (await team.ask()).kind


async def test_revoking_works_at_once(team):
    """The very next request of a revoked key is refused, even where it would only replay."""
    await team.deliver(await team.lead(fp="fp"))
    assert "hit" == (await team.ask(fp="fp")).kind
    team.set("key:k1", revoked=NOON)
    assert "revoked" == (await team.ask(fp="fp")).why


@pytest.mark.parametrize("scope", ["team", "key:k1"])
async def test_a_model_without_a_price_needs_a_key_without_a_budget(team, scope):
    """What cannot be priced cannot be held to a budget; without one, it is made."""
    assert "lead" == (await team.ask(estimate=None)).kind
    team.set(scope, budget_per_month=10**12)
    before = team.dump()
    refused = await team.ask(estimate=None)
    assert Verdict("refused", why="price") == refused
    assert before == team.dump()


async def test_a_price_is_no_matter_where_nothing_is_bought(team):
    """A budget does not keep a key from what is there already."""
    await team.deliver(await team.lead(fp="fp", estimate=None))
    team.set("team", budget_per_month=0)
    assert "hit" == (await team.ask(fp="fp", estimate=None)).kind


async def test_a_lead_says_all_that_its_worker_needs(team):
    """Its own id, the first epoch, and how its picture may be replayed: as its key allows, not only as it asked."""
    assert Verdict("lead", generation="gen_a", epoch=1, shared=True, ttl_s=3600) == await team.ask(id="gen_a")
    team.set("key:k1", cache_ttl_s=60)
    assert Verdict("lead", generation="gen_b", epoch=1, shared=True, ttl_s=60) == await team.ask(id="gen_b")
    team.set("key:k1", cache_ttl_s=0)
    assert Verdict("lead", generation="gen_c", epoch=1) == await team.ask(id="gen_c")
    team.set("key:k1", cache_ttl_s=60, no_cache=1)
    assert Verdict("lead", generation="gen_d", epoch=1, ttl_s=60) == await team.ask(id="gen_d")
    assert ("0", "0") == (
        team.record(Verdict("lead", "gen_d"))["shared"],
        team.record(Verdict("lead", "gen_d"))["stores"],
    )


async def test_rate_comes_before_idempotency_and_cache(team):
    """Replays count as requests, so a spent rate denies them as well."""
    team.set("key:k1", requests_per_minute=1)
    await team.deliver(await team.lead(fp="fp", idempotency="i", body="b"))
    assert "requests_per_minute" == (await team.ask(fp="fp")).limit
    assert "requests_per_minute" == (await team.ask(fp="fp", idempotency="i", body="other")).limit


async def test_idempotency_comes_before_the_cache(team):
    """The client that repeats itself gets its own pictures, not those that replaced them in the cache."""
    first = await team.lead(fp="fp", idempotency="i", body="b")
    await team.deliver(first)
    newer = await team.lead(fp="fp", shared=False, anew=True)
    await team.deliver(newer)

    repeated = await team.ask(fp="fp", idempotency="i", body="b")
    assert ("replay", first.generation) == (repeated.kind, repeated.generation)
    assert newer.generation == (await team.ask(fp="fp")).generation


async def test_the_cache_comes_before_a_lane_and_a_tombstone(team):
    """Neither a generation under way nor a lost one keeps a cached picture from who takes it."""
    await team.deliver(await team.lead(fp="fp"))
    await team.lead(fp="fp", shared=False, anew=True)
    lost = await team.lead(fp="fp", shared=False, anew=True)
    await team.settle(lost, ended("unknown"))
    assert "hit" == (await team.ask(fp="fp")).kind


async def test_joining_comes_before_a_tombstone(team):
    """A tombstone does not forbid to wait for what somebody else is buying anyway."""
    lost = await team.lead(fp="fp")
    await team.settle(lost, ended("unknown"))
    under_way = await team.lead(fp="fp", idempotency="new", body="b")
    joined = await team.ask(fp="fp")
    assert ("join", under_way.generation) == (joined.kind, joined.generation)


async def test_replays_and_joins_cost_nothing_but_a_request(team):
    """With every quota spent, hits, joins and claims go on; only the rate is theirs, too."""
    await team.deliver(await team.lead(fp="cached"))
    await team.lead(fp="lane")
    left = await team.lead(fp="left", **UNSHARED)
    await team.left(left)
    await team.deliver(left)
    windows = team.windows()
    team.set("team", images_per_day=0, budget_per_month=0, max_concurrent=1)
    team.set("key:k1", requests_per_minute=3)

    kinds = [(await team.ask(fp=fp)).kind for fp in ("cached", "lane")]
    claimed = await team.ask(fp="left", **UNSHARED)
    assert ["hit", "join", "replay"] == [*kinds, claimed.kind]
    assert windows == team.windows()
    assert {"requests": 6, "hits": 1, "joins": 2, "generations": 2, "images": 2, "cost": 2 * PRICE} == team.counters()
    assert "requests_per_minute" == (await team.ask(fp="cached")).limit


async def test_teams_share_nothing(team):
    """Another team's identical request, with the same key names, is not answered from here, nor counted, nor held back."""
    asked = {"fp": "fp", "idempotency": "i", "body": "b"}
    await team.deliver(await team.lead(**asked))
    await team.settle(await team.lead(fp="lost"), ended("unknown"))
    await team.lead(fp="lane")
    team.set("team", requests_per_minute=1, images_per_day=0)
    other = team.other("art2")
    await other.redis.hset("{art2}:key:k1", "created", 1)

    verdicts = [await other.ask(**more) for more in (asked, {"fp": "lost"}, {"fp": "lane"}, {"fp": "fp"})]
    assert ["lead", "lead", "lead", "join"] == [verdict.kind for verdict in verdicts]
    await other.ledger.purge("art2")
    assert "1" == team.hash("usage:20270310")["k1|V3|images"]


async def test_keys_of_a_team_share_the_cache_but_not_idempotency(team):
    """The cache is the team's; an idempotency key is the API key's own."""
    led = await team.lead(fp="fp", idempotency="i", body="b")
    await team.deliver(led)
    assert "hit" == (await team.ask(key="k2", fp="fp", idempotency="i", body="other")).kind


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"images_per_day": 11}, 5),
        ({"budget_per_month": 11 * PRICE}, 5),
        ({"max_concurrent": 7}, 7),
        ({"requests_per_minute": 6}, 6),
        (LIMITED, 4),
    ],
)
@pytest.mark.parametrize("scope", ["team", "key:k1"])
async def test_requests_at_the_same_time_overspend_nothing(team, scope, limits, most):
    """Of thirty requests at once, each of two pictures, exactly so many are admitted as the tightest limit allows."""
    team.set(scope, **limits)
    workers = [team.worker() for _ in range(6)]
    questions = [team.question(counts=(1, 1)) for _ in range(30)]
    verdicts = await asyncio.gather(
        *(workers[index % 6].admit("art", question) for index, question in enumerate(questions))
    )

    led = [verdict for verdict in verdicts if verdict.kind == "lead"]
    assert most == len(led)
    assert ((0, 2 * most), (0, 2 * most * PRICE)) == team.windows()
    assert {"requests": most, "denied": 30 - most} == team.counters()


async def test_identical_requests_at_the_same_time_make_one_generation(team):
    """Thirty at once, by two keys and six workers: one leads, the others wait for it."""
    workers = [team.worker() for _ in range(6)]
    questions = [team.question(fp="fp", key=f"k{1 + index % 2}") for index in range(30)]
    verdicts = await asyncio.gather(
        *(workers[index % 6].admit("art", question) for index, question in enumerate(questions))
    )
    (led,) = [verdict for verdict in verdicts if verdict.kind == "lead"]
    assert {led.generation} == {verdict.generation for verdict in verdicts}
    assert ((0, 1), (0, PRICE)) == team.windows()


@given(st.integers(0, 4_000_000_000))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_time_has_its_day_and_month(lone_team, unix_s):
    """The calendar of the scripts is UTC's, leap years included."""
    lone_team.empty()
    lone_team.clock.set(unix_s)
    record = lone_team.record(await lone_team.lead())
    day = lone_team.clock.day
    assert (day, day[:6]) == (record["day"], record["month"])


async def test_a_led_request_is_journalled(team):
    """What another worker needs to finish, charge and deliver it stands in its record, which does not expire."""
    led = await team.lead(counts=(2, 1), plan='{"prompt":0}', user="u", fp="fp", idempotency="i", body="b")
    record = team.record(led)
    await team.mark(led, "submitted", 2, task="task-1")
    await team.deliver(led, images=2)
    team.lapse()
    (taken,), () = await team.expire()

    assert {"key": "k1", "model": "V3", "fp": "fp", "n": "3", "counts": "[2,1]", "user": "u"}.items() <= record.items()
    assert ("open", "1", "reserved", "reserved") == tuple(record[name] for name in ("state", "epoch", "p1", "p2"))
    assert (led.generation, "art", "k1", 2) == (taken.id, taken.team, taken.key, taken.epoch)
    assert ('{"prompt":0}', {2: "task-1"}, team.rules.lease_ms + 1) == (taken.plan, taken.tasks, taken.age_ms)
    assert team.kept_s(f"gen:{led.generation}") is None


async def test_delivered_parts_of_any_size(team):
    """Requests of one to four pictures reserve and settle exactly so many, in whatever parts."""
    for counts in ((1,), (2,), (3,), (4,), (1, 1), (2, 2), (1, 1, 1, 1)):
        team.empty()
        led = await team.lead(counts=counts)
        assert ((0, sum(counts)), (0, sum(counts) * PRICE)) == team.windows()
        reports = [delivered(part, images, images * 7) for part, images in enumerate(counts, 1)]
        settled = await team.settle(led, *reports)
        assert ("delivered", sum(counts), sum(counts) * 7) == (settled.state, settled.images, settled.cost)
        assert ((sum(counts), 0), (sum(counts) * 7, 0)) == team.windows()

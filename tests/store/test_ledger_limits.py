"""Limits: what a key and its team may do, to the request, the picture, the micro-dollar and the millisecond."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.store.journal import Allowance
from tests.support.ledger import DAY_S, NOON, PRICE, UNSHARED, delivered, ended, unix

SCOPES = ["key:k1", "team"]


class Bucket:
    """The rate limit as it is meant: `per_minute` requests fit in, and flow out evenly; in exact numbers."""

    def __init__(self, per_minute):
        self.per_minute = per_minute
        self.held = Fraction(0)

    def pass_ms(self, ms):
        self.held = max(self.held - Fraction(ms * self.per_minute, 60_000), Fraction(0))

    @property
    def wait_ms(self):
        """How long until one more fits in."""
        return max(ceil((self.held + 1 - self.per_minute) * 60_000 / self.per_minute), 0)

    @property
    def allowance(self):
        empty_in_ms = ceil(self.held * 60_000 / self.per_minute)
        return Allowance(self.per_minute, floor(self.per_minute - self.held), empty_in_ms)


async def request(team, **asked):
    """Ask for what costs nothing but a request."""
    return await team.ask(fp="shared", **asked)


async def test_five_minutes_at_sixty_a_minute(team):
    """A minute's worth at once, then one each second: 60 + 300 in five minutes, and the sixty-first knows when."""
    team.set("key:k1", requests_per_minute=60)
    for left in range(59, -1, -1):
        assert Allowance(60, left, (60 - left) * 1000) == (await request(team)).requests
    denied = await request(team)
    assert ("denied", "requests_per_minute", "key", 60, 1000) == (
        denied.kind,
        denied.limit,
        denied.scope,
        denied.allowed,
        denied.retry_ms,
    )
    assert Allowance(60, 0, 60_000) == denied.requests

    admitted = 0
    for _ in range(5 * 60 * 2):
        team.clock.ms += 500
        verdict = await request(team)
        admitted += verdict.kind != "denied"
        assert (500 if verdict.kind == "denied" else 0) == verdict.retry_ms
    assert 300 == admitted
    assert 360 == team.counters()["requests"]

    team.clock.ms += 60_000
    assert Allowance(60, 59, 1000) == (await request(team)).requests


RATES = st.none() | st.integers(1, 20) | st.integers(1, 3000) | st.sampled_from([1_000_000, 999_983])
STEPS = st.lists(st.tuples(st.integers(0, 5) | st.integers(0, 90_000), st.integers(1, 12)), min_size=1, max_size=12)


@given(of_key=RATES, of_team=RATES, steps=STEPS)
@example(of_key=7, of_team=None, steps=[(0, 8)])
@example(of_key=7, of_team=7, steps=[(0, 5), (8571, 8), (1, 3)])
@example(of_key=2, of_team=3, steps=[(0, 4), (20_000, 3), (9_999, 2), (1, 2)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_rate_of_requests(lone_team, of_key, of_team, steps):
    """What is admitted, what is left and how long to wait are those of a bucket, of the key's and the team's the narrower.

    A denial takes nothing from either, and holds for exactly as long as it says.
    """
    team = lone_team
    team.empty()
    team.set("key:k1", requests_per_minute=of_key)
    team.set("team", requests_per_minute=of_team)
    buckets = [Bucket(per_minute) for per_minute in (of_key, of_team) if per_minute]

    def pass_ms(ms):
        team.clock.ms += ms
        for bucket in buckets:
            bucket.pass_ms(ms)

    async def check():
        wait_ms = max((bucket.wait_ms for bucket in buckets), default=0)
        if not wait_ms:
            for bucket in buckets:
                bucket.held += 1
        verdict = await request(team)
        assert (wait_ms > 0, wait_ms) == (verdict.kind == "denied", verdict.retry_ms)
        narrowest = min(buckets, key=lambda bucket: bucket.allowance.remaining, default=None)
        if narrowest is None:
            assert verdict.requests is None
        else:
            least = narrowest.allowance.remaining
            assert verdict.requests in [b.allowance for b in buckets if b.allowance.remaining == least]
        return wait_ms

    for gap_ms, requests in steps:
        pass_ms(gap_ms)
        for _ in range(requests):
            wait_ms = await check()
            if wait_ms:
                pass_ms(wait_ms - 1)
                assert 1 == await check()
                pass_ms(1)
                assert 0 == await check()


async def test_a_denial_by_both_waits_for_both(team):
    """Where the key's and the team's rate are spent, the wait is the longer one, and its scope is named."""
    team.set("key:k1", requests_per_minute=2)
    team.set("team", requests_per_minute=1)
    await request(team)
    denied = await request(team)
    assert ("team", 60_000, 1) == (denied.scope, denied.retry_ms, denied.allowed)
    team.set("key:k1", requests_per_minute=1)
    team.set("team", requests_per_minute=2)
    denied = await request(team)
    assert ("key", 60_000, 1) == (denied.scope, denied.retry_ms, denied.allowed)


async def test_a_changed_rate_counts_from_where_the_old_one_stood(team):
    """Requests of this minute still count after a change: raised, there is room for more; lowered, for none; lifted, for all."""
    team.set("key:k1", requests_per_minute=10)
    for _ in range(10):
        await request(team)
    team.set("key:k1", requests_per_minute=12)
    assert 1 == (await request(team)).requests.remaining
    team.set("key:k1", requests_per_minute=6)
    denied = await request(team)
    assert ("denied", 10_000) == (denied.kind, denied.retry_ms)
    team.set("key:k1", requests_per_minute=None)
    assert ("join", None) == ((await request(team)).kind, (await request(team)).requests)


async def test_a_rate_is_forgotten_after_a_minute(team):
    """Nothing is held of a scope that is at rest, nor longer than it matters."""
    team.set("key:k1", requests_per_minute=7)
    for _ in range(7):
        await request(team)
    assert 60 == team.kept_s("rate:key:k1")
    team.pass_s(55)
    assert Allowance(7, 5, 13_572) == (await request(team)).requests
    team.pass_s(60)
    assert 0 == team.kept_s("rate:key:k1")
    assert Allowance(7, 6, 8572) == (await request(team)).requests


@pytest.mark.parametrize("scope", SCOPES)
async def test_images_per_day(team, scope):
    """Pictures count as they are reserved; what does not fit is denied until midnight, what fits is not."""
    team.set(scope, images_per_day=4)
    first = await team.ask(counts=(2, 1))
    assert Allowance(4, 1, DAY_S * 1000 // 2) == first.images
    denied = await team.ask(counts=(2,))
    assert ("denied", "images_per_day", scope.partition(":")[0]) == (denied.kind, denied.limit, denied.scope)
    assert (4, 1, DAY_S * 1000 // 2, Allowance(4, 1, DAY_S * 1000 // 2)) == (
        denied.allowed,
        denied.remaining,
        denied.retry_ms,
        denied.images,
    )
    assert 0 == (await team.ask()).images.remaining

    team.clock.ms += denied.retry_ms - 1
    assert "denied" == (await team.ask()).kind
    team.clock.ms += 1
    assert Allowance(4, 0, DAY_S * 1000) == (await team.ask(counts=(4,))).images


@pytest.mark.parametrize("scope", SCOPES)
async def test_budget_per_month(team, scope):
    """The estimate must fit; a delivery at less makes room, one at more takes it, and the month's end gives all back."""
    team.set(scope, budget_per_month=3 * PRICE)
    cheaper = await team.lead(counts=(2,))
    denied = await team.ask(counts=(2,))
    assert ("denied", "budget_per_month", scope.partition(":")[0]) == (denied.kind, denied.limit, denied.scope)
    assert (3 * PRICE, PRICE) == (denied.allowed, denied.remaining)

    await team.deliver(cheaper, images=2, cost=PRICE)
    dearer = await team.lead(counts=(2,))
    await team.deliver(dearer, images=2, cost=5 * PRICE)
    assert (6 * PRICE, 0) == team.window("month:202703")
    denied = await team.ask(estimate=1)
    assert ("budget_per_month", 0) == (denied.limit, denied.remaining)

    team.clock.set(unix(2027, 4, 1) - 0.001)
    assert "denied" == (await team.ask(estimate=1)).kind
    team.clock.set(unix(2027, 4, 1))
    assert "lead" == (await team.ask(estimate=3 * PRICE)).kind


async def test_a_budget_can_be_spent_to_the_last_micro_dollar(team):
    """What fits exactly is made; a micro-dollar more is denied; nothing at all always fits."""
    team.set("team", budget_per_month=1_000_001)
    await team.lead(estimate=1_000_000)
    assert 1 == (await team.ask(estimate=2)).remaining
    await team.lead(estimate=1)
    await team.lead(estimate=0)
    assert "denied" == (await team.ask(estimate=1)).kind


async def test_both_scopes_must_pass(team):
    """A key that has spent its own is denied while its team has room, another key of a team that has spent all as well."""
    team.set("key:k1", images_per_day=1, budget_per_month=10 * PRICE)
    team.set("team", images_per_day=3)
    led = await team.lead()
    assert Allowance(1, 0, DAY_S * 500) == led.images
    assert "key" == (await team.ask()).scope
    assert 0 == (await team.ask(key="k2", counts=(2,))).images.remaining
    assert "team" == (await team.ask(key="k2")).scope
    assert (1, 2, 3) == tuple(team.window("day:20270310", scope)[1] for scope in ("key:k1", "key:k2", "team"))


async def test_a_denial_by_a_quota_takes_nothing_from_the_rate(team):
    """A client denied for its pictures or its money hears what its rate still is, which is what it was."""
    team.set("key:k1", requests_per_minute=10)
    assert 9 == (await request(team)).requests.remaining
    before = team.hash("key:k1")
    for limit in ("images_per_day", "budget_per_month", "max_concurrent"):
        team.set("team", **{limit: 0})
        denied = await team.ask()
        assert (limit, Allowance(10, 9, 6000)) == (denied.limit, denied.requests)
        team.set("team", **{limit: None})
    assert before == team.hash("key:k1")
    assert 8 == (await request(team)).requests.remaining


async def test_a_denial_by_the_key_tells_the_teams_pictures(team):
    """Allowances are the narrower of both scopes, whichever of them denies."""
    team.set("key:k1", requests_per_minute=1, images_per_day=100)
    team.set("team", images_per_day=10)
    await team.lead()
    denied = await team.ask()
    assert ("key", 10, 9) == (denied.scope, denied.images.limit, denied.images.remaining)


@pytest.mark.parametrize("scope", SCOPES)
async def test_concurrency_is_what_is_under_way(team, scope):
    """So many generations and no more, until one ends, however it does."""
    team.set(scope, max_concurrent=2)
    for state in ("delivered", "failed", "unknown", "dropped"):
        led, _ = await team.lead(), await team.lead()
        denied = await team.ask()
        assert ("max_concurrent", scope.partition(":")[0], 2) == (denied.limit, denied.scope, denied.allowed)
        assert denied.retry_ms > 0
        await team.settle(led, delivered() if state == "delivered" else ended(state))
        assert "lead" == (await team.ask()).kind
        team.empty()
        team.set(scope, max_concurrent=2)


async def test_concurrency_heals_itself(team):
    """Slots of a worker that died are free when its leases have run out, before anybody has looked after them."""
    team.set("team", max_concurrent=2)
    await team.lead()
    alive = await team.lead()
    team.clock.ms += team.rules.lease_ms
    assert "denied" == (await team.ask()).kind
    await team.ledger.renew("art", [(alive.generation, 1)])
    team.clock.ms += 1
    assert "lead" == (await team.ask()).kind
    assert "denied" == (await team.ask()).kind
    await team.expire()
    assert "denied" == (await team.ask()).kind
    await team.deliver(alive)
    assert "lead" == (await team.ask()).kind


async def test_concurrency_of_a_generation_taken_over(team):
    """Who takes a task over holds its slot again."""
    led = await team.lead()
    await team.mark(led, "submitted", task="t")
    team.set("key:k1", max_concurrent=1)
    team.lapse()
    await team.expire()
    assert "denied" == (await team.ask()).kind


@pytest.mark.parametrize("state", ["delivered", "failed", "unknown", "dropped"])
async def test_limits_lifted_and_set_while_a_generation_is_open(team, state):
    """Reservations stand whatever becomes of limits: set later they count, lifted they leave nothing behind."""
    led = await team.lead(counts=(2,))
    team.set("team", images_per_day=2, budget_per_month=2 * PRICE, max_concurrent=1)
    assert "images_per_day" == (await team.ask()).limit
    team.set("team", images_per_day=3)
    assert "budget_per_month" == (await team.ask()).limit
    team.set("team", budget_per_month=None)
    assert "max_concurrent" == (await team.ask()).limit
    team.set("team", images_per_day=None, max_concurrent=None)
    await team.settle(led, delivered(images=2, cost=7) if state == "delivered" else ended(state))

    used = {"delivered": (2, 7), "unknown": (2, 2 * PRICE)}.get(state, (0, 0))
    assert tuple((amount, 0) for amount in used) == team.windows()


async def test_a_limit_below_what_is_used(team):
    """A limit lowered below what is spent denies, and says that nothing is left: never less."""
    await team.deliver(await team.lead(counts=(4,)), images=4, cost=4 * PRICE)
    team.set("team", images_per_day=3, budget_per_month=PRICE)
    denied = await team.ask()
    assert (0, 0) == (denied.remaining, denied.images.remaining)
    team.set("team", images_per_day=None)
    assert ("budget_per_month", 0) == ((await team.ask()).limit, (await team.ask()).remaining)


@pytest.mark.parametrize("state", ["delivered", "failed", "unknown", "dropped"])
@pytest.mark.parametrize(
    ("before", "after"), [((2027, 3, 10), (2027, 3, 11)), ((2027, 3, 31), (2027, 4, 1)), ((2027, 12, 31), (2028, 1, 1))]
)
async def test_a_window_that_closes_meanwhile(team, state, before, after):
    """A generation that ends in another day or month is settled where it was reserved; the new window is untouched."""
    team.clock.set(unix(*after) - 1)
    old = f"{before[0]}{before[1]:02}{before[2]:02}"
    led = await team.lead(counts=(2,))
    team.clock.set(unix(*after) + 1)
    new = team.clock.day
    team.set("team", images_per_day=2)
    assert "lead" == (await team.ask(counts=(2,))).kind
    await team.settle(led, delivered(images=2, cost=7) if state == "delivered" else ended(state))

    images, money = {"delivered": (2, 7), "unknown": (2, 2 * PRICE)}.get(state, (0, 0))
    assert ((images, 0), (0, 2)) == (team.window(f"day:{old}"), team.window(f"day:{new}"))
    same_month = old[:6] == new[:6]
    assert (money, 2 * PRICE if same_month else 0) == team.window(f"month:{old[:6]}")
    if not same_month:
        assert (0, 2 * PRICE) == team.window(f"month:{new[:6]}")
    assert (state == "delivered") == ("images" in team.counters(old))
    assert "images" not in team.counters(new)


async def test_a_picture_handed_in_late_counts_in_its_own_window(team):
    """What was unknown at the end of a month and is delivered in the next is the old month's picture."""
    team.set_rules(charge_unknown=False)
    team.clock.set(unix(2027, 4, 1) - 1)
    led = await team.lead()
    await team.settle(led, ended("unknown"))
    team.clock.set(unix(2027, 4, 1) + 5)
    await team.deliver(led)
    assert ((1, 0), (PRICE, 0)) == team.windows("20270331")
    assert ((0, 0), (0, 0)) == team.windows("20270401")


async def test_quotas_of_generations_that_nobody_shares(team):
    """Not caching is no way around a quota."""
    team.set("key:k1", images_per_day=2)
    led = await team.lead(fp="fp", anew=True, **UNSHARED)
    await team.deliver(led)
    await team.answered(led)
    await team.lead(fp="fp", anew=True, **UNSHARED)
    assert "denied" == (await team.ask(fp="fp", anew=True, **UNSHARED)).kind
    assert NOON * 1000 == team.clock.ms

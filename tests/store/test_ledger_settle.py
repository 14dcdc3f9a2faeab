"""Settlement: each generation is booked once, at what it cost, in whatever order and by whomever its parts are told."""

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store.channel import Channel
from gateway.store.journal import Booked, Settled, Verdict
from gateway.store.ledger import ENDED
from tests.support.ledger import NOON, PRICE, UNSHARED, delivered, ended

NOTHING = ((0, 0), (0, 0))
STREAMED = ("generations", "images", "unknown", "failures", "cost", "spare")


def booked(team, day="20270310"):
    """Add up the stream, having proved that the counters say the same."""
    sums = {what: sum(int(entry[what]) for entry in team.entries() if entry["day"] == day) for what in STREAMED}
    counters = team.counters(day)
    assert {what: amount for what, amount in sums.items() if amount} == {
        what: amount for what, amount in counters.items() if what in STREAMED
    }
    return {what: amount for what, amount in sums.items() if amount}


async def test_a_delivery_is_booked(team):
    """Used are its pictures and its cost, reserved is nothing; stream and counters tell it by key, model and user."""
    led = await team.lead(counts=(2,), user="u1", key="k2", model="V3")
    settled = await team.deliver(led, images=2, cost=70_001, spare=5)
    assert Settled("delivered", 2, 70_001, ended=True, booked=Booked(2, 70_001, 0)) == settled

    assert ((2, 0), (70_001, 0)) == team.windows()
    assert (2, 0) == team.window("day:20270310", "key:k2")
    assert (70_001, 0) == team.window("month:202703", "key:k2")
    assert (0, 0) == team.window("month:202703", "key:k1")
    assert {"generations": 1, "images": 2, "cost": 70_001, "spare": 5} == booked(team)
    (entry,) = team.entries()
    assert {"id": led.generation, "key": "k2", "model": "V3", "user": "u1", "day": "20270310"}.items() <= entry.items()
    assert str(NOON * 1000) == entry["at"]
    assert "2" == team.hash("usage:20270310")["k2|V3|images"]


@pytest.mark.parametrize("cost", [0, 1, PRICE - 1, PRICE, PRICE + 1, 100 * PRICE])
async def test_the_cost_replaces_the_estimate(team, cost):
    """Cheaper or dearer, what it cost is what is charged."""
    led = await team.lead()
    assert cost == (await team.deliver(led, cost=cost)).cost
    assert ((1, 0), (cost, 0)) == team.windows()


async def test_a_delivery_without_a_price_is_counted(team):
    """Where no price is known nothing is reserved, and the pictures still count."""
    led = await team.lead(estimate=None)
    assert ((0, 1), (0, 0)) == team.windows()
    await team.deliver(led, cost=0)
    assert ((1, 0), (0, 0)) == team.windows()


@pytest.mark.parametrize(
    ("state", "told", "moved", "books"),
    [
        ("failed", Settled("failed", 0, 0, ended=True), Booked(0, 0, 0), {"generations": 1, "failures": 1}),
        ("dropped", Settled("void", 0, 0, ended=True), None, {}),
        (
            "unknown",
            Settled("unknown", 0, 2 * PRICE, ended=True),
            Booked(0, 2 * PRICE, 2),
            {"generations": 1, "unknown": 2, "cost": 2 * PRICE},
        ),
    ],
)
async def test_an_end_without_pictures(team, state, told, moved, books):
    """A failure costs nothing, what was never sent is not even booked, and what may have been bought is charged."""
    led = await team.lead(counts=(1, 1))
    settled = await team.settle(led, ended(state, 1), ended(state, 2), error=b'{"code":"x"}')
    assert msgspec.structs.replace(told, booked=moved) == settled
    assert (tuple((used, 0) for used in (2, 2 * PRICE)) if state == "unknown" else NOTHING) == team.windows()
    assert books == booked(team)
    ending = await team.ending(led)
    assert (told.state, None, '{"code":"x"}') == (ending.state, ending.results, ending.error)


async def test_an_unknown_outcome_may_be_free(team):
    """Where the operator does not charge it, it is counted and takes no quota."""
    team.set_rules(charge_unknown=False)
    led = await team.lead(counts=(2,))
    settled = await team.settle(led, ended("unknown"))
    assert Settled("unknown", 0, 0, ended=True, booked=Booked(0, 0, 2)) == settled
    assert NOTHING == team.windows()
    assert {"generations": 1, "unknown": 2} == booked(team)


async def test_charging_is_decided_at_admission(team):
    """A rule changed while a generation is open does not change what its client was promised."""
    led = await team.lead()
    await team.settle(led, ended("unknown"), ledger=team.worker(charge_unknown=False))
    assert ((1, 0), (PRICE, 0)) == team.windows()


async def test_parts_of_every_kind(team):
    """Of five parts two are delivered, one is lost, one fails, one was never sent: two are charged, one at its share."""
    led = await team.lead(counts=(2, 1, 1, 1, 1))
    await team.settle(led, delivered(1, images=1, cost=11_000), delivered(2, cost=7_000))
    assert ((0, 6), (0, 6 * PRICE)) == team.windows()
    assert {} == booked(team)
    settled = await team.settle(led, ended("unknown", 3), ended("failed", 4), ended("dropped", 5))

    assert Settled("delivered", 2, 18_000 + PRICE, ended=True, booked=Booked(2, 18_000 + PRICE, 1)) == settled
    assert ((3, 0), (18_000 + PRICE, 0)) == team.windows()
    assert {"generations": 1, "images": 2, "unknown": 1, "cost": 18_000 + PRICE} == booked(team)
    assert '[{"part":1},{"part":2}]' == (await team.ending(led)).results


async def test_what_was_paid_in_vain_is_recorded(team):
    """Pictures more than asked for, and those that were made and could not be had, are spare cost, charged to nobody."""
    led = await team.lead(counts=(1, 1))
    await team.settle(led, delivered(1, cost=7, spare=3), ended("failed", 2, spare=PRICE))
    assert {"generations": 1, "images": 1, "cost": 7, "spare": PRICE + 3} == booked(team)
    failed = await team.lead()
    await team.settle(failed, ended("failed", spare=PRICE))
    assert 2 * PRICE + 3 == booked(team)["spare"]
    assert ((1, 0), (7, 0)) == team.windows()


@pytest.mark.parametrize("report", [delivered(), ended("failed"), ended("unknown"), ended("dropped")])
async def test_a_repeated_report_changes_nothing(team, report):
    """A settle whose reply was lost is sent again, hears the same, and books nothing twice."""
    led = await team.lead()
    first = await team.settle(led, report)
    before = team.dump()
    assert first == await team.settle(led, report)
    assert before == team.dump()


async def test_a_repeated_report_of_one_part(team):
    """While other parts are open, too."""
    led = await team.lead(counts=(1, 1))
    report = delivered(cost=5)
    await team.settle(led, report)
    before = team.dump()
    assert Settled("open", 0, 0, ended=False) == await team.settle(led, report)
    await team.settle(led, delivered(cost=9, result='"another"'), ended("failed"))
    assert before == team.dump()


async def test_a_report_on_what_is_long_forgotten(team):
    """When the record is gone, a report books nothing and makes nothing."""
    led = await team.lead()
    await team.deliver(led)
    team.pass_s(team.rules.outcome_s)
    before = team.dump()
    assert "void" == (await team.deliver(led)).state
    assert "lost" == await team.mark(led, "sent")
    await team.left(led)
    await team.answered(led)
    assert [led.generation] == await team.ledger.renew("art", [(led.generation, 1)])
    assert before == team.dump()


async def test_an_outcome_waits_for_those_who_wait_for_it(team):
    """A worker that was away from Redis for minutes still learns how it ended, instead of buying it again."""
    led = await team.lead(counts=(1, 1), fp="fp", shared=True, stores=True)
    assert "join" == (await team.ask(counts=(1, 1), fp="fp", shared=True, stores=True)).kind
    await team.settle(led, delivered(), ended("failed", 2))
    team.pass_s(team.rules.unclaimed_s - 1)
    assert "delivered" == (await team.ledger.ending("art", led.generation)).state
    team.pass_s(1)
    assert "void" == (await team.ledger.ending("art", led.generation)).state


async def taken_over(team, led):
    """Let another worker take a generation over that has a task; returns its verdict as that worker would have it."""
    team.lapse()
    ((found,), _) = await team.expire()
    return Verdict("lead", led.generation, found.epoch)


async def test_a_worker_that_was_replaced_cannot_write(team):
    """From an old epoch nothing is marked, renewed, failed, lost or dropped."""
    led = await team.lead(counts=(1, 1))
    await team.mark(led, "submitted", task="t")
    await team.mark(led, "submitted", 2, task="t2")
    await taken_over(team, led)
    before = team.dump()

    assert "lost" == await team.mark(led, "sent")
    assert "lost" == await team.mark(led, "submitted", task="other")
    assert [led.generation] == await team.ledger.renew("art", [(led.generation, led.epoch)])
    await team.ledger.hand_over("art", [(led.generation, led.epoch)])
    for state in ("failed", "unknown", "dropped"):
        assert "open" == (await team.settle(led, ended(state), ended(state, 2), error=b"{}")).state
    assert before == team.dump()


async def test_a_worker_that_was_replaced_may_bring_its_picture(team):
    """A picture is taken from either worker, once: whoever brings it first."""
    led = await team.lead()
    await team.mark(led, "submitted", task="t")
    new = await taken_over(team, led)
    assert Settled("delivered", 1, 5, ended=True, booked=Booked(1, 5, 0)) == await team.deliver(led, cost=5)
    before = team.dump()
    assert Settled("delivered", 1, 5, ended=True) == await team.deliver(new, cost=9)
    assert before == team.dump()
    assert {"generations": 1, "images": 1, "cost": 5} == booked(team)


async def test_a_lost_reply_is_made_up_for(team):
    """Whose call moved the books is told so again, and nobody else ever is: each movement is heard of once."""
    led = await team.lead(counts=(1, 1))
    for part in (1, 2):
        await team.mark(led, "submitted", part, task="t")
    new = await taken_over(team, led)
    assert (await team.deliver(led, cost=5)).booked is None
    for _ in range(2):
        assert Booked(2, 12, 0) == (await team.settle(new, delivered(2, cost=7))).booked
    for worker, part in ((led, 1), (led, 2), (new, 1)):
        assert (await team.settle(worker, delivered(part, cost=9))).booked is None


async def test_a_delivery_by_another_worker_is_recovered(team):
    """Once, however many had it meanwhile, on the day of its request; not what the first worker delivered alone."""
    led, alone = await team.lead(), await team.lead(counts=(1, 1))
    await team.mark(led, "submitted", task="t")
    await team.deliver(alone)
    await team.mark(alone, "sent", 2)
    team.clock.ms += 86_400_000
    team.lapse()
    ((found,), (expired,)) = await team.expire()
    assert (led.generation, "delivered") == (found.id, expired.state)
    await taken_over(team, led)
    assert "recovered" not in team.counters("20270310")
    for epoch in (3, 2, 1):
        await team.deliver(Verdict("lead", led.generation, epoch))
    assert 1 == team.counters("20270310")["recovered"]
    assert {} == team.counters("20270311")


async def test_an_epoch_still_to_come_cannot_write(team):
    """Nor does a number help that nobody was given."""
    led = await team.lead()
    future = Verdict("lead", led.generation, led.epoch + 1)
    before = team.dump()
    assert "lost" == await team.mark(future, "sent")
    await team.settle(future, ended("failed"))
    assert before == team.dump()


async def test_an_ended_part_stays_ended(team):
    """A mark that was delayed on its way takes nothing back: neither a picture nor a reservation returned."""
    led = await team.lead(counts=(1, 1, 1))
    await team.settle(led, delivered(cost=5), ended("dropped", 2))
    for state in ("reserved", "sent", "submitted"):
        assert "lost" == await team.mark(led, state, 1, task="t")
        assert "lost" == await team.mark(led, state, 2, task="t")
    team.lapse()
    (), (expired,) = await team.expire()
    assert "delivered" == expired.state
    assert ((1, 0), (5, 0)) == team.windows()


async def test_a_mark_renews_the_lease(team):
    """A worker that writes is alive."""
    led = await team.lead()
    team.clock.ms += team.rules.lease_ms
    assert "ok" == await team.mark(led, "sent")
    team.clock.ms += team.rules.lease_ms - 1
    assert ([], []) == await team.expire()


async def test_who_is_alone_may_give_up(team):
    """A call that nobody waits for any more is not sent, unless another request has joined."""
    led = await team.lead(fp="fp")
    before = team.dump()
    assert "abandoned" == await team.mark(led, "sent", unless_abandoned=True)
    assert before == team.dump()
    await team.ask(fp="fp")
    assert "ok" == await team.mark(led, "sent", unless_abandoned=True)


@pytest.mark.parametrize("charge", [True, False])
async def test_a_picture_after_all(team, charge):
    """An unknown outcome becomes a delivery, once, at the price that was charged for it; else at its own."""
    team.set_rules(charge_unknown=charge)
    led = await team.lead(fp="fp", counts=(2,))
    await team.settle(led, ended("unknown"))
    cost = 2 * PRICE if charge else 7
    moved = Booked(2, 0 if charge else 7, -2)
    settled = await team.deliver(led, images=2, cost=7, spare=3)
    assert Settled("delivered", 2, cost, ended=True, booked=moved) == settled

    assert ((2, 0), (cost, 0)) == team.windows()
    assert {"generations": 1, "images": 2, "cost": cost, "spare": 3} == booked(team)
    before = team.dump()
    assert settled == await team.deliver(led, images=2, cost=7)
    assert before == team.dump()
    assert "delivered" == (await team.ending(led)).state
    assert "hit" == (await team.ask(fp="fp")).kind


async def test_a_picture_after_all_from_any_epoch(team):
    """It does not matter how often the lease changed hands meanwhile: the first one moves the books."""
    led = await team.lead()
    await team.mark(led, "submitted", task="t")
    new = await taken_over(team, led)
    await team.settle(new, ended("unknown"))
    for epoch in (1, 2, 7):
        settled = await team.deliver(Verdict("lead", led.generation, epoch), cost=epoch)
        moved = Booked(1, 0, -1) if epoch == 1 else None
        assert Settled("delivered", 1, PRICE, ended=True, booked=moved) == settled
    assert {"generations": 1, "images": 1, "cost": PRICE} == booked(team)


async def test_fewer_pictures_after_all(team):
    """Of two that were charged one arrives: the price stands, the quota of images is what arrived."""
    led = await team.lead(counts=(2,))
    await team.settle(led, ended("unknown"))
    await team.deliver(led, images=1, cost=7)
    assert ((1, 0), (2 * PRICE, 0)) == team.windows()


async def test_some_pictures_after_all(team):
    """Parts are handed in one by one; what is still unknown stays charged."""
    led = await team.lead(counts=(1, 1, 1), fp="fp")
    await team.settle(led, delivered(1, cost=7), ended("unknown", 2), ended("unknown", 3))
    assert ((3, 0), (7 + 2 * PRICE, 0)) == team.windows()
    for part in (3, 2):
        assert 7 + 2 * PRICE == (await team.settle(led, delivered(part, cost=1))).cost
        assert ((3, 0), (7 + 2 * PRICE, 0)) == team.windows()
    assert {"generations": 1, "images": 3, "cost": 7 + 2 * PRICE} == booked(team)


@pytest.mark.parametrize("state", ["failed", "dropped"])
async def test_what_is_settled_without_a_picture_stays_so(team, state):
    """A picture is not taken for what was settled as never bought: its reservation is gone."""
    led = await team.lead()
    await team.settle(led, ended(state))
    before = team.dump()
    await team.deliver(led)
    assert before == team.dump()


@pytest.mark.parametrize("charged", [0, PRICE, 3 * PRICE])
async def test_a_picture_after_the_bill(team, charged):
    """What has been settled against upstream's bill is settled."""
    led = await team.lead()
    await team.settle(led, ended("unknown"))
    await team.resolve(led, charged)
    assert ((1 if charged else 0, 0), (charged, 0)) == team.windows()
    before = team.dump()
    await team.deliver(led)
    await team.resolve(led, 7)
    assert before == team.dump()
    assert charged == booked(team).get("cost", 0)


async def test_a_bill_for_a_part(team):
    """Resolving concerns what is unknown, and leaves what was delivered as it is."""
    led = await team.lead(counts=(1, 1, 2))
    await team.settle(led, delivered(cost=7), ended("unknown", 2), ended("unknown", 3))
    await team.resolve(led, 100)
    assert ((4, 0), (107, 0)) == team.windows()
    assert 107 == booked(team)["cost"]
    assert "delivered" == (await team.ending(led)).state


async def test_who_waits_is_woken(team):
    """Each end that somebody has joined is published, in whatever way it comes, and no other is."""
    messages = Channel(team.redis, ENDED)
    heard = []

    async def listen():
        async for name in messages.messages():
            heard.append(name.decode())
            if name == b"last":
                return

    listening = asyncio.ensure_future(listen())
    await messages.subscribed.wait()
    joined, expired, alone = await team.lead(fp="a"), await team.lead(fp="b"), await team.lead(fp="c")
    for fp in ("a", "b"):
        await team.ask(fp=fp)
    await team.deliver(joined)
    await team.deliver(alone)
    team.lapse()
    await team.expire()
    team.publish(ENDED, "last")
    await listening
    assert [f"{{art}}:{joined.generation}", f"{{art}}:{expired.generation}", "last"] == heard


REPORTS = st.one_of(
    st.builds(lambda images, cost: ("delivered", images, cost), st.integers(1, 2), st.integers(0, 2 * PRICE)),
    st.sampled_from([("failed", 0, 0), ("unknown", 0, 0), ("dropped", 0, 0)]),
)


def ending_of(team):
    """Take all that is held but the stream, and which call was the last."""
    held = {name: value for name, (_, value) in team.dump().items() if not name.endswith(b":usage")}
    held[b"{art}:gen:gen"] = {name: value for name, value in team.hash("gen:gen").items() if name != "ended_by"}
    return held


@given(
    st.lists(REPORTS, min_size=1, max_size=4).flatmap(
        lambda reports: st.tuples(st.just(reports), st.permutations(range(len(reports))))
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_order_of_reports_is_no_matter(lone_team, reports_and_order):
    """However parts are told, one by one, together or repeatedly, the generation ends in the same way."""
    team = lone_team
    reports, order = reports_and_order
    parts = [
        delivered(part, images, cost) if state == "delivered" else ended(state, part)
        for part, (state, images, cost) in enumerate(reports, 1)
    ]
    team.empty()
    at_once = await team.lead(counts=(2,) * len(parts), fp="fp", id="gen")
    expected = await team.settle(at_once, *parts)
    whole = ending_of(team)
    books = booked(team)

    team.empty()
    one_by_one = await team.lead(counts=(2,) * len(parts), fp="fp", id="gen")
    for index in order:
        settled = await team.settle(one_by_one, parts[index])
        assert settled == await team.settle(one_by_one, parts[index])
    assert expected == settled
    assert books == booked(team)
    assert whole == ending_of(team)


async def test_a_client_that_leaves_is_billed(team):
    """Leaving changes neither the cost of what is made nor where it is charged."""
    for more in ({}, UNSHARED):
        team.empty()
        led = await team.lead(**more)
        await team.left(led)
        await team.deliver(led, cost=7)
        assert ((1, 0), (7, 0)) == team.windows()


async def test_joiners_are_counted_not_charged(team):
    """One purchase that ten requests wait for is one generation and one cost; the ten are requests."""
    led = await team.lead(fp="fp")
    for _ in range(10):
        await team.ask(fp="fp")
    await team.deliver(led)
    assert {"generations": 1, "images": 1, "cost": PRICE} == booked(team)
    assert {"requests": 11, "joins": 10}.items() <= team.counters().items()


async def test_the_stream_is_trimmed_by_age(team):
    """Entries older than the days of retention go, so that it does not grow for ever."""
    team.set_rules(retention_days=30)
    for _ in range(210):
        await team.settle(await team.lead(), ended("failed"))
    team.clock.ms += 31 * 86_400_000
    await team.settle(await team.lead(), ended("failed"))
    assert len(team.entries()) < 120

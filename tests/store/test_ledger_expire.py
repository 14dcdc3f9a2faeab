"""Leases: what becomes of generations that nobody holds any more, and that nothing is lost or counted twice by it."""

import asyncio
import time
from collections import Counter
from math import floor

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.store.journal import Booked, Expired, Settled, Verdict
from gateway.store.ledger import Ledger
from tests.support.books import Books
from tests.support.ledger import PRICE, RULES, UNSHARED, delivered, ended, unix


async def handed_on(team, led):
    """Let the lease run out and take the generation over; returns its verdict as the new holder would have it."""
    team.lapse()
    ((taken,), ()) = await team.expire()
    return Verdict("lead", led.generation, taken.epoch)


async def test_a_lease_that_holds(team):
    """Until its last millisecond nobody takes a generation away."""
    led = await team.lead()
    team.clock.ms += team.rules.lease_ms - 1
    assert ([], []) == await team.expire()
    assert [] == await team.ledger.renew("art", [(led.generation, 1)])
    team.clock.ms += team.rules.lease_ms - 1
    assert ([], []) == await team.expire()
    team.clock.ms += 1
    assert ([], [Expired(led.generation, "V3", "void")]) == await team.expire()


async def test_what_was_never_sent_is_returned(team):
    """The worker died before its call: the reservation is returned, nothing is booked, and the retry leads."""
    led = await team.lead(fp="fp", counts=(1, 2), idempotency="i", body="b")
    team.lapse()
    assert ([], [Expired(led.generation, "V3", "void")]) == await team.expire()
    assert ((0, 0), (0, 0)) == team.windows()
    assert {"requests": 1} == team.counters()
    assert [] == team.entries()
    assert "lead" == (await team.ask(fp="fp", counts=(1, 2), idempotency="i", body="other")).kind


async def test_what_was_sent_is_unknown(team):
    """The worker died waiting for the reply: it is charged at the estimate, and the retry is held back."""
    led = await team.lead(fp="fp", counts=(2,))
    await team.mark(led, "sent")
    team.lapse()
    assert ([], [Expired(led.generation, "V3", "unknown", 1, Booked(0, 2 * PRICE, 2))]) == await team.expire()
    assert ((2, 0), (2 * PRICE, 0)) == team.windows()
    retry = await team.ask(fp="fp", retry=True)
    assert ("unknown", led.generation) == (retry.kind, retry.generation)


async def test_what_has_a_task_is_handed_over(team):
    """The worker died after its submit: another one collects, in a new epoch; nothing is bought or booked again."""
    led = await team.lead(fp="fp")
    await team.mark(led, "sent")
    await team.mark(led, "submitted", task="task-1")
    team.lapse()
    ((taken,), ()) = await team.expire()
    assert (led.generation, 2, {1: "task-1"}) == (taken.id, taken.epoch, taken.tasks)
    assert ((0, 1), (0, PRICE)) == team.windows()
    assert ("join", led.generation) == ((await team.ask(fp="fp", retry=True)).kind, led.generation)

    new = Verdict("lead", led.generation, taken.epoch)
    assert [] == await team.ledger.renew("art", [(new.generation, new.epoch)])
    assert Settled("delivered", 1, 7, ended=True, booked=Booked(1, 7, 0)) == await team.deliver(new, cost=7)
    assert ((1, 0), (7, 0)) == team.windows()
    assert 1 == team.counters()["recovered"]
    assert ([], []) == await team.expire()


async def test_a_fan_out_is_told_part_by_part(team):
    """One part each was delivered, failed, reserved, sent and submitted: only the last is collected."""
    led = await team.lead(counts=(1, 1, 1, 1, 1))
    await team.settle(led, delivered(1, cost=7), ended("failed", 2))
    await team.mark(led, "sent", 4)
    await team.mark(led, "submitted", 5, task="task-5")
    team.lapse()
    ((taken,), ()) = await team.expire()
    assert ({5: "task-5"}, 1) == (taken.tasks, taken.unknown_parts)
    record = team.record(led)
    assert ["delivered", "failed", "dropped", "unknown", "submitted"] == [record[f"p{part}"] for part in range(1, 6)]
    assert ((0, 5), (0, 5 * PRICE)) == team.windows()

    settled = await team.settle(Verdict("lead", led.generation, 2), delivered(5, cost=11))
    assert Settled("delivered", 2, 18 + PRICE, ended=True, booked=Booked(2, 18 + PRICE, 1)) == settled
    assert ((3, 0), (18 + PRICE, 0)) == team.windows()


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (("reserved", "reserved"), "void"),
        (("reserved", "sent"), "unknown"),
        (("failed", "reserved"), "failed"),
        (("failed", "sent"), "unknown"),
        (("delivered", "reserved"), "delivered"),
        (("delivered", "sent"), "delivered"),
        (("unknown", "reserved"), "unknown"),
    ],
)
async def test_how_a_fan_out_ends(team, states, state):
    """It is what its best part is; returned parts are free, lost ones are charged."""
    led = await team.lead(counts=(1, 1))
    for part, each in enumerate(states, 1):
        if each == "delivered":
            await team.settle(led, delivered(part, cost=7))
        elif each in {"failed", "unknown"}:
            await team.settle(led, ended(each, part))
        elif each == "sent":
            await team.mark(led, each, part)
    team.lapse()
    count = Counter(states)
    lost = count["sent"] + count["unknown"]
    moved = Booked(count["delivered"], 7 * count["delivered"] + lost * PRICE, lost) if state != "void" else None
    assert ([], [Expired(led.generation, "V3", state, count["sent"], moved)]) == await team.expire()
    assert ((count["delivered"] + lost, 0), (7 * count["delivered"] + lost * PRICE, 0)) == team.windows()


async def test_a_refusal_before_acceptance_is_reserved_again(team):
    """A call that upstream did not take leaves nothing to be charged if its worker dies now."""
    led = await team.lead()
    await team.mark(led, "sent")
    await team.mark(led, "reserved")
    team.lapse()
    assert "void" == (await team.expire())[1][0].state
    assert ((0, 0), (0, 0)) == team.windows()


async def test_two_that_look_at_once(team):
    """Of workers that sweep at the same moment one takes each generation over, or ends it; the others get nothing."""
    with_task = [await team.lead() for _ in range(6)]
    for led in with_task:
        await team.mark(led, "submitted", task="t")
    without = [await team.lead() for _ in range(6)]
    team.lapse()
    found = await asyncio.gather(*(team.worker().expire("art", takes_over=True) for _ in range(4)))
    assert sorted(led.generation for led in with_task) == sorted(each.id for taken, _ in found for each in taken)
    assert sorted(led.generation for led in without) == sorted(each.id for _, over in found for each in over)
    assert ((0, 6), (0, 6 * PRICE)) == team.windows()


async def test_who_is_closing_takes_nothing_over(team):
    """It ends what has no task, and leaves what has one to others, as it is."""
    task, sent = await team.lead(), await team.lead()
    await team.mark(task, "submitted", task="t")
    await team.mark(sent, "sent")
    team.lapse()
    before = team.record(task)
    expired = Expired(sent.generation, "V3", "unknown", 1, Booked(0, PRICE, 1))
    assert ([], [expired]) == await team.expire(takes_over=False)
    assert before == team.record(task)
    ((taken,), ()) = await team.expire()
    assert task.generation == taken.id


async def test_handing_over(team):
    """A worker that stops lets others take its tasks at once, not only when the lease would have run out."""
    led = await team.lead()
    await team.mark(led, "submitted", task="t")
    await team.ledger.hand_over("art", [(led.generation, 1)])
    assert ["art"] == await team.ledger.overdue(["other", "art"])
    ((taken,), ()) = await team.expire()
    assert (led.generation, 2) == (taken.id, taken.epoch)
    assert [led.generation] == await team.ledger.renew("art", [(led.generation, 1)])


async def test_overdue_teams(team):
    """Only teams with a lease that has run out need a look."""
    other = team.other("other")
    await other.redis.hset("{other}:key:k1", "created", 1)
    assert [] == await team.ledger.overdue(["art", "other"])
    assert [] == await team.ledger.overdue([])
    await other.lead()
    assert [] == await team.ledger.overdue(["art", "other"])
    team.lapse()
    await team.lead()
    assert ["other"] == await team.ledger.overdue(["art", "other"])


@pytest.mark.parametrize("wrong_s", [-3600, 3600])
async def test_overdue_by_the_clock_of_redis(any_client, monkeypatch, wrong_s):
    """The host's may be an hour slow or fast: what has run out is found at once, and what has not is left alone."""
    books = Books(any_client)
    books.ledger = Ledger(books.scripts, any_client, RULES)
    await books.lead("held")
    left = await books.lead("left")
    await books.ledger.hand_over("left", [(left, 1)])
    wrong = time.time_ns() / 1e9 + wrong_s
    monkeypatch.setattr(time, "time", lambda: wrong)

    assert ["left"] == await books.ledger.overdue(["held", "left"])


async def test_renewing_many(team):
    """Those that are ours live on; those that are not are named, and only those."""
    mine = [await team.lead() for _ in range(3)]
    over, taken = await team.lead(), await team.lead()
    await team.deliver(over)
    await team.mark(taken, "submitted", task="t")
    held = [(led.generation, 1) for led in (*mine, over, taken)]
    team.clock.ms += team.rules.lease_ms - 1
    await team.ledger.renew("art", held[:3])
    team.clock.ms += 2
    await team.expire()
    assert [over.generation, taken.generation] == await team.ledger.renew("art", held)
    assert [] == await team.ledger.renew("art", [])


async def test_a_task_that_kills_its_workers(team):
    """What fifty workers took over and none collected is unknown: it does not go round for ever."""
    led = await team.lead()
    await team.mark(led, "submitted", task="t")
    for epoch in range(2, 51):
        assert epoch == (await handed_on(team, led)).epoch
    team.lapse()
    assert ([], [Expired(led.generation, "V3", "unknown", 1, Booked(0, PRICE, 1))]) == await team.expire()
    assert ((1, 0), (PRICE, 0)) == team.windows()


async def test_many_at_once(team):
    """More than are looked after in one go are looked after in the next."""
    made = [await team.lead() for _ in range(45)]
    team.lapse()
    found = []
    while round_ := (await team.expire())[1]:
        found += round_
        assert len(round_) <= 20
    assert {led.generation for led in made} == {each.id for each in found}
    assert ((0, 0), (0, 0)) == team.windows()


async def test_a_paused_worker_that_wakes(team):
    """It may not send, but what it bought before its pause is kept, at the price that was charged meanwhile."""
    for state, told in (("reserved", "void"), ("sent", "delivered")):
        team.empty()
        led = await team.lead(**UNSHARED)
        if state != "reserved":
            await team.mark(led, state)
        team.lapse()
        await team.expire()
        assert "lost" == await team.mark(led, "sent")
        assert told == (await team.deliver(led, cost=1)).state
    assert ((1, 0), (PRICE, 0)) == team.windows()


# Anything, in any order.

FPS = ("a", "b")
COUNTS = ((1,), (2,), (4,), (1, 1), (3, 1), (1, 1, 1))
NAMES = ("generations", "images", "unknown", "failures", "cost", "spare")
SOME = st.integers(0, 2)
OLD = st.sampled_from([0, 0, 1])
AMOUNTS = st.sampled_from([0, 1, PRICE, 3 * PRICE])
LEADS = st.tuples(
    st.just("lead"),
    st.sampled_from(["k1", "k2"]),
    st.sampled_from(COUNTS),
    st.sampled_from([{}, UNSHARED, {"shared": False, "anew": True}, {"idempotency": "i", "body": "b"}]),
    st.sampled_from([None, 100_000, 7]),
    st.booleans(),
)
MARKS = st.tuples(st.just("mark"), SOME, OLD, SOME, st.sampled_from(["reserved", "sent", "submitted"]))
REPORT = st.tuples(SOME, st.sampled_from(["delivered", "unknown", "failed", "dropped"]), SOME, AMOUNTS, AMOUNTS)
SETTLES = st.tuples(st.just("settle"), SOME, OLD, st.lists(REPORT, min_size=1, max_size=3))
OTHERS = st.one_of(
    st.tuples(st.sampled_from(["renew", "hand_over"]), SOME, OLD),
    st.tuples(st.just("expire"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([1, 5_001, 15_001, 40_000])),
    st.tuples(st.sampled_from(["left", "answered"]), SOME),
    st.tuples(st.just("resolve"), SOME, AMOUNTS),
)
# Few generations and many steps: what goes wrong takes several of one kind on the same part.
STEPS = st.builds(
    lambda leads, steps: [*leads, *steps],
    st.lists(LEADS, min_size=1, max_size=3),
    st.lists(st.one_of(LEADS, MARKS, SETTLES, SETTLES, OTHERS, OTHERS), min_size=20, max_size=40),
)


class Interleaving:
    """Takes steps of two workers, and proves the books after each of them from the records alone."""

    def __init__(self, team):
        self.team = team
        self.made = []
        self.billed = {}
        self.seen = {}

    async def take(self, step):
        name, *what = step
        if name in {"mark", "settle", "renew", "hand_over", "left", "answered", "resolve"}:
            if not self.made:
                return
            what[0] = self.made[what[0] % len(self.made)]
        await getattr(self, name)(*what)
        self.prove()

    async def lead(self, key, counts, how, estimate, retry):
        fp = FPS[len(counts) % 2]
        verdict = await self.team.ask(key=key, counts=counts, fp=fp, estimate=estimate, retry=retry, **how)
        if verdict.kind == "lead":
            self.made.append(verdict.generation)

    async def mark(self, made, back, part, state):
        led, record = self.held(made, back)
        part = 1 + part % len(self.counts(record))
        await self.team.mark(led, state, part, task=f"task-{part}" if state == "submitted" else "")

    async def settle(self, made, back, reports):
        led, record = self.held(made, back)
        counts = self.counts(record)
        told = []
        for part, state, images, cost, spare in reports:
            index = part % len(counts)
            if state == "delivered":
                result = f'"{len(self.seen)}-{len(told)}-{cost}"'
                told.append(delivered(index + 1, 1 + images % counts[index], cost, spare, result))
            else:
                told.append(ended(state, index + 1, spare if state == "failed" else 0))
        await self.team.settle(led, *told)

    async def renew(self, made, back):
        led, _ = self.held(made, back)
        await self.team.ledger.renew("art", [(led.generation, led.epoch)])

    async def hand_over(self, made, back):
        led, _ = self.held(made, back)
        await self.team.ledger.hand_over("art", [(led.generation, led.epoch)])

    async def expire(self, takes_over):
        await self.team.expire(takes_over=takes_over)

    async def wait(self, ms):
        self.team.clock.ms += ms

    async def left(self, made):
        await self.team.left(Verdict("lead", made))

    async def answered(self, made):
        await self.team.answered(Verdict("lead", made))

    async def resolve(self, made, charged):
        before = self.record(made)
        is_open_to_it = before["state"] != "open" and "unknown" in self.parts(before) and "resolved" not in before
        await self.team.resolve(Verdict("lead", made), charged)
        if is_open_to_it:
            self.billed[made] = charged

    async def end(self):
        """Bring everything to an end, as workers that live on do."""
        for made in self.made:
            led, record = self.held(made, 0)
            await self.team.settle(led, *[ended("failed", part) for part in range(1, 1 + len(self.counts(record)))])
        self.prove()

    def prove(self):
        used, reserved, booked, opened = Counter(), Counter(), Counter(), Counter()
        for made in self.made:
            record = self.record(made)
            self.never_undone(made, record)
            key, n, estimate = record["key"], int(record["n"]), int(record.get("estimate", 0))
            windows = (f"day:{record['day']}", n), (f"month:{record['month']}", estimate)
            if record["state"] == "open":
                opened[made] += 1
                for window, amount in windows:
                    for scope in ("team", f"key:{key}"):
                        reserved[window, scope] += amount
                continue
            images, cost, what = self.ended(made, record, n, estimate)
            assert cost == int(record["cost"])
            for (window, _), amount in zip(windows, (images, cost), strict=True):
                for scope in ("team", f"key:{key}"):
                    used[window, scope] += amount
            for name in NAMES:
                booked[record["day"], f"{key}|V3|{name}"] += what[name]

        team = self.team
        windows = [name.decode() for name in team.names() if b":day:" in name or b":month:" in name]
        held = {
            (window.partition(":")[2], scope): team.window(window.partition(":")[2], scope)
            for window in windows
            for scope in ("team", "key:k1", "key:k2")
        }
        assert held == {where: (used[where], reserved[where]) for where in held}
        assert sum(reserved.values()) == sum(amount for _, amount in held.values())
        assert sum(used.values()) == sum(amount for amount, _ in held.values())
        self.prove_books(booked)
        assert set(opened) == team.members("due")
        assert set(opened) == team.members("due:k1") | team.members("due:k2")

    def prove_books(self, booked):
        streamed = Counter()
        for entry in self.team.entries():
            for name in NAMES:
                streamed[entry["day"], f"{entry['key']}|{entry['model']}|{name}"] += int(entry[name])
        counted = Counter()
        for day in {day for day, _ in booked} | {day for day, _ in streamed}:
            for field, value in self.team.hash(f"usage:{day}").items():
                assert int(value) >= 0
                if field.rpartition("|")[2] in NAMES:
                    counted[day, field] += int(value)
        assert {where: value for where, value in booked.items() if value} == {
            where: value for where, value in counted.items() if value
        }
        assert {where: value for where, value in streamed.items() if value} == {
            where: value for where, value in counted.items() if value
        }

    def ended(self, made, record, n, estimate):
        """Say how many images and micro-dollars a generation that has ended takes, and what is counted of it."""
        images = lost = cost = spare = estimated = 0
        for part, (state, asked) in enumerate(zip(self.parts(record), self.counts(record), strict=True), 1):
            spare += int(record.get(f"s{part}", 0))
            if state == "delivered":
                images += int(record[f"m{part}"])
                cost += int(record[f"c{part}"])
            elif state == "unknown":
                lost += asked
                estimated += floor(estimate * asked / n + 0.5)
        is_void = set(self.parts(record)) == {"dropped"}
        state = "delivered" if images else "unknown" if lost else "void" if is_void else "failed"
        assert state == record["state"]
        if made in self.billed:
            is_charged, price = self.billed[made] > 0, self.billed[made]
            lost *= is_charged
        else:
            is_charged = record["charge"] == "1"
            price = estimated * is_charged
        what = {"generations": 1, "images": images, "unknown": lost, "failures": state == "failed"}
        what |= {"cost": cost + price, "spare": spare}
        return images + lost * is_charged, cost + price, Counter() if is_void else what

    def never_undone(self, made, record):
        """Prove that a picture stays what it was, and that what has ended changes only from unknown to delivered."""
        before = self.seen.get(made, record)
        for part, state in enumerate(self.parts(before), 1):
            now = record[f"p{part}"]
            if state == "delivered":
                assert [before[f"{x}{part}"] for x in "pmcsr"] == [record[f"{x}{part}"] for x in "pmcsr"]
            elif before["state"] != "open":
                assert now == state or (state, now) == ("unknown", "delivered")
            elif state in {"failed", "unknown", "dropped"}:
                assert now in {state, "delivered"}
        assert int(before["epoch"]) <= int(record["epoch"])
        self.seen[made] = record

    def held(self, made, back):
        record = self.record(made)
        return Verdict("lead", made, max(int(record["epoch"]) - back, 1)), record

    def record(self, made):
        return self.team.hash(f"gen:{made}")

    @staticmethod
    def counts(record):
        return msgspec.json.decode(record["counts"])

    @classmethod
    def parts(cls, record):
        return [record[f"p{part}"] for part in range(1, 1 + len(cls.counts(record)))]


@given(steps=STEPS, charge=st.booleans(), join=st.sampled_from(["all", "retries"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_steps_in_any_order(lone_team, steps, charge, join):
    """Whatever two workers do, and however late, the books are right after each step, and at the end nothing is reserved.

    What is used and reserved is the sum over the records, the stream sums up to the counters, each picture is counted
    once and never undone, and nothing is ever negative.
    """
    team = lone_team
    team.set_rules(charge_unknown=charge, join=join, outcome_s=3600)
    team.empty()
    team.clock.set(unix(2027, 3, 31, 23, 59))
    interleaving = Interleaving(team)
    for step in steps:
        await interleaving.take(step)
    await interleaving.end()
    assert set() == team.members("due")
    assert 0 == sum(
        reserved
        for window in ("day:20270331", "day:20270401", "month:202703", "month:202704")
        for scope in ("team", "key:k1", "key:k2")
        for _, reserved in [team.window(window, scope)]
    )
    assert not [name for name in team.names() if b":lane:" in name]

"""A worker's chores: leases kept, and what others left behind looked after."""

import asyncio

import pytest

from gateway.errors import OutcomeUnknown, Unauthenticated, Unavailable
from gateway.generation.keeper import Keeper
from gateway.telemetry.events import (
    CachingChanged,
    GenerationBooked,
    GenerationExpired,
    GenerationFinished,
    GenerationTaken,
    LeaseLost,
    StoreTroubled,
)
from tests.support.generation import admitted, begin, collect, enrol, make, plan_for, until
from tests.support.ledger_reading import booked, reserved, state_of

SHORT = {"rules": {"lease_ms": 300}}


async def lease_of(worker, generation_id):
    return await worker.redis.zscore("{art}:due", generation_id)


async def test_leases_are_renewed(worker_with, sandbox):
    """What is made here stays ours: its lease moves on with each renewal."""
    worker = await worker_with(keeps=False)
    ticket = await begin(worker, plan_for(prompt="[[sandbox:hold]]"))
    await until(lambda: sandbox.stats().paid_calls == 1)
    before = await lease_of(worker, ticket.id)
    await asyncio.sleep(0.002)  # Redis counts leases in milliseconds
    await worker.keeper.renew()
    assert await lease_of(worker, ticket.id) > before
    sandbox.release()
    await collect(worker, ticket)


async def test_a_dead_workers_task_is_collected(worker_with, sandbox, events):
    """Killed after the submit: another worker collects the picture, bought once, and the retry gets it."""
    dead, heir = await worker_with(keeps=False, **SHORT), await worker_with()
    plan = plan_for("flux-kontext-max", prompt="[[sandbox:task-hold]]")
    ticket = await begin(dead, plan)
    await until(lambda: ticket.leads.stages == ["submitted"])
    await dead.die()
    await until(lambda: events.of(GenerationTaken))
    retry = await begin(heir, plan, is_retry=True)
    sandbox.release()
    assert len((await collect(heir, retry)).pictures) == 1
    assert (retry.id, retry.cache) == (ticket.id, "joined")
    [taken] = events.of(GenerationTaken)
    assert (taken.generation_id, taken.team, taken.model, taken.epoch) == (ticket.id, "art", "flux-kontext-max", 2)
    assert sandbox.stats().paid_calls == 1
    assert await booked(heir) == {
        "requests": 2,
        "joins": 1,
        "recovered": 1,
        "generations": 1,
        "images": 1,
        "cost": plan.estimate,
    }
    assert await reserved(heir) == (0, 0)


async def test_a_joiner_of_a_dead_workers_task_gets_its_picture(worker_with, sandbox, events):
    """Who waits elsewhere need not even try again."""
    dead, heir = await worker_with(keeps=False, **SHORT), await worker_with()
    plan = plan_for("flux-kontext-max", prompt="[[sandbox:task-hold]]")
    leader = await begin(dead, plan)
    await until(lambda: leader.leads.stages == ["submitted"])
    joiner = await begin(heir, plan)
    await dead.die()
    await until(lambda: events.of(GenerationTaken))
    sandbox.release()
    assert len((await collect(heir, joiner)).pictures) == 1
    assert sandbox.stats().paid_calls == 1


async def test_a_dead_workers_sent_call_is_unknown(worker_with, sandbox, events):
    """Killed between the call and its answer: charged at the estimate, and joiners are told that it is unknown."""
    dead, heir = await worker_with(keeps=False, **SHORT), await worker_with()
    plan = plan_for(prompt="[[sandbox:hold]]")
    ticket = await begin(dead, plan)
    await until(lambda: sandbox.stats().paid_calls == 1)
    joiner = await begin(heir, plan)
    await dead.die()
    with pytest.raises(OutcomeUnknown):
        await collect(heir, joiner)
    [expired] = events.of(GenerationExpired)
    assert (expired.generation_id, expired.model, expired.state) == (ticket.id, "dall-e-3", "unknown")
    assert expired.unknown_parts == 1
    assert events.of(GenerationBooked) == [GenerationBooked("art", "dall-e-3", 0, plan.estimate)]
    assert (await booked(heir))["cost"] == plan.estimate
    with pytest.raises(OutcomeUnknown):
        await make(heir, plan, is_retry=True)
    assert sandbox.stats().paid_calls == 1


async def test_what_a_dead_worker_never_sent_is_given_back(worker_with, sandbox, events):
    """Killed before the call: nothing is charged, and whoever waited makes it instead."""
    dead, heir = await worker_with(keeps=False, **SHORT), await worker_with()
    plan = plan_for()
    abandoned = await admitted(dead, plan)
    joiner = await begin(heir, plan)
    assert len((await collect(heir, joiner)).pictures) == 1
    assert joiner.id != abandoned.id
    assert [event.state for event in events.of(GenerationExpired)] == ["void"]
    assert await state_of(heir, abandoned.id) == "void"
    assert await reserved(heir) == (0, 0)
    assert sandbox.stats().paid_calls == 1


async def test_a_paused_worker_that_wakes_with_the_picture_hands_it_in(worker_with, sandbox, events):
    """Its lease was lost and the outcome booked as unknown: the picture makes it known, at the same price, once."""
    paused, other = await worker_with(keeps=False, **SHORT), await worker_with()
    plan = plan_for(prompt="[[sandbox:hold]]")
    ticket = await begin(paused, plan)
    await until(lambda: sandbox.stats().paid_calls == 1)
    await until(lambda: events.of(GenerationExpired))
    await paused.keeper.renew()
    assert [event.generation_id for event in events.of(LeaseLost)] == [ticket.id]
    sandbox.release()
    made = await collect(paused, ticket)
    assert await state_of(other, ticket.id) == "delivered"
    assert (await make(other, plan)).pictures == made.pictures
    assert sandbox.stats().paid_calls == 1
    told = await booked(other)
    assert (told["images"], told["cost"], told.get("unknown", 0)) == (1, plan.estimate, 0)
    assert [(event.images, event.cost_micro_usd) for event in events.of(GenerationBooked)] == [
        (0, plan.estimate),
        (1, 0),
    ]


async def test_two_that_collect_the_same_task_book_it_once(worker_with, sandbox, events):
    """The first holder was only slow: both bring the picture in, one is charged for."""
    slow, heir = await worker_with(keeps=False, **SHORT), await worker_with()
    plan = plan_for("flux-kontext-max", prompt="[[sandbox:task-hold]]")
    ticket = await begin(slow, plan)
    await until(lambda: events.of(GenerationTaken))
    sandbox.release()
    assert len((await collect(slow, ticket)).pictures) == 1
    await until(lambda: len(events.of(GenerationFinished)) == 2)
    assert [event.outcome for event in events.of(GenerationFinished)] == ["delivered", "delivered"]
    told = await booked(heir)
    assert (told["generations"], told["images"], told["cost"]) == (1, 1, plan.estimate)
    assert events.of(GenerationBooked) == [GenerationBooked("art", plan.model.id, 1, plan.estimate)]
    assert sorted(event.repeated for event in events.of(GenerationFinished)) == [False, True]
    assert sandbox.stats().paid_calls == 1


async def test_what_was_lost_of_a_task_that_is_taken_over_is_told(worker_with, events):
    """One part has a task, of the other only the call went out: who collects the one tells that the other is unknown."""
    dead, heir = await worker_with(keeps=False), await worker_with(keeps=False)
    left = await admitted(dead, plan_for("flux-kontext-max", n=2))
    await dead.ledger.mark("art", left.id, 1, 1, "sent")
    await dead.ledger.mark("art", left.id, 1, 2, "submitted", task="task-2")
    await dead.ledger.hand_over("art", [(left.id, 1)])
    await heir.keeper.sweep()
    [taken] = events.of(GenerationTaken)
    assert (taken.generation_id, taken.unknown_parts) == (left.id, 1)


async def test_a_worker_that_shuts_down_takes_nothing_over(worker_with, events):
    """It gives back what was not sent, but leaves tasks to those who stay."""
    dead, leaving = await worker_with(keeps=False, **SHORT), await worker_with(keeps=False)
    plan = plan_for("flux-kontext-max", prompt="[[sandbox:task-hold]]")
    task = await begin(dead, plan)
    await until(lambda: task.leads.stages == ["submitted"])
    unsent = await admitted(dead, plan_for())
    await dead.die()
    await leaving.generations.hand_over()
    states = []

    async def swept():
        await leaving.keeper.sweep()
        states.append(await state_of(leaving, unsent.id))

    while "void" not in states:
        await swept()
    assert events.of(GenerationTaken) == []
    assert await state_of(leaving, task.id) == "open"


async def test_trouble_ends_no_chore(worker_with, own_valkey, events):
    """Redis goes and comes back: each chore says so, and goes on."""
    worker = await worker_with(own_valkey.url, command_timeout_s=0.3)
    own_valkey.kill()
    await until(lambda: {"sweep", "listen"} <= {event.chore for event in events.of(StoreTroubled)})
    own_valkey.start()
    abandoned = await admitted_on_empty(worker)
    await until(lambda: [event.generation_id for event in events.of(GenerationExpired)] == [abandoned.id])


async def admitted_on_empty(worker):
    """Lease a generation for an instant, on a Redis that has come back empty."""
    await worker.redis.sadd("teams", "art")
    await worker.redis.hset("{art}:key:k1", "created", 1)
    generation = await admitted(worker, plan_for())
    await worker.ledger.hand_over("art", [(generation.id, generation.epoch)])
    return generation


async def test_a_swallowed_cancellation_still_ends_the_chores(worker_with):
    """A library may eat the one cancellation that a chore gets: it ends after that round all the same."""
    worker = await worker_with(keeps=False)
    inside = asyncio.Event()

    async def swallowing():
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return []

    keeper = worker.keeper
    chores = Keeper(
        worker.generations, worker.asking, worker.ledger, worker.endings,
        spool=keeper._spool, braking=keeper._braking, watermark=keeper._watermark,
        teams=swallowing, sweep_s=0.001, random=lambda: 0.5, emit=lambda _: None,
    )  # fmt: skip
    running = asyncio.ensure_future(chores.run())
    await inside.wait()
    running.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([running])
    assert running.cancelled()


async def test_caching_stops_above_the_high_water_mark(worker_with, sandbox, events):
    """Where state would soon have no room nothing more is cached, which is told; and it goes on when there is."""
    worker = await worker_with(keeps=False)

    class Mark:
        passed = True

        async def is_passed(self):
            return self.passed

    worker.keeper._watermark = mark = Mark()
    for _ in range(2):
        await worker.keeper.measure()
    for _ in range(2):
        await make(worker, plan_for())
    mark.passed = False
    await worker.keeper.measure()
    for _ in range(2):
        await make(worker, plan_for())
    assert [event.caches for event in events.of(CachingChanged)] == [False, True]
    assert sandbox.stats().paid_calls == 3


async def test_what_was_made_without_redis_is_booked(worker_with, own_valkey, sandbox, events):
    """The chore that books finds what was spooled, once Redis is back; until then it is in no budget and no metric."""
    worker = await worker_with(own_valkey.url, keeps=False, command_timeout_s=0.3, engine={"serves_alone": True})
    await worker.brakes.set_budget(10**9)
    plan = plan_for()
    await make(worker, plan)
    await worker.quiet()
    own_valkey.pause()
    ticket = await begin(worker, plan_for(prompt="a hen"))
    assert len((await collect(worker, ticket)).pictures) == 1
    own_valkey.resume()
    await worker.maker.settled()
    await worker.quiet()
    assert (await worker.brakes.spent()).used == plan.estimate
    assert len(events.of(GenerationBooked)) == 1
    for _ in range(2):
        await worker.keeper.book()
    assert (await booked(worker))["images"] == 2
    assert (await worker.brakes.spent()).used == 2 * plan.estimate
    assert events.of(GenerationBooked) == [GenerationBooked("art", "dall-e-3", 1, plan.estimate)] * 2
    assert not any(event.repeated for event in events.of(GenerationFinished))
    assert sandbox.stats().paid_calls == 2


async def test_what_was_admitted_after_all_is_booked_once(worker_with, own_valkey):
    """Redis stalls, admits what was served without it meanwhile, and wakes: nothing stays reserved."""
    worker = await worker_with(own_valkey.url, keeps=False, command_timeout_s=0.3, engine={"serves_alone": True})
    await make(worker, plan_for())
    own_valkey.pause()
    ticket = await begin(worker, plan_for(prompt="a hen"))
    assert len((await collect(worker, ticket)).pictures) == 1
    own_valkey.resume()
    assert await state_of(worker, ticket.id) == "open"
    await worker.keeper.book()
    assert await state_of(worker, ticket.id) == "delivered"
    assert await reserved(worker) == (0, 0)
    assert {"requests": 2, "generations": 2, "images": 2}.items() <= (await booked(worker)).items()


async def test_a_key_that_was_refused_is_not_served_without_redis(worker_with, own_valkey):
    """What was seen to count, and then seen to be revoked, does not count when Redis is away."""
    worker = await worker_with(own_valkey.url, keeps=False, command_timeout_s=0.3, engine={"serves_alone": True})
    await make(worker, plan_for())
    await worker.redis.hset("{art}:key:k1", "revoked", 2)
    with pytest.raises(Unauthenticated):
        await begin(worker, plan_for())
    own_valkey.pause()
    with pytest.raises(Unavailable):
        await begin(worker, plan_for())
    own_valkey.resume()


async def test_one_teams_trouble_costs_no_other_teams_lease(worker_with, sandbox, events):
    """A team whose keys cannot be reached is told of, and the leases of the others are renewed all the same."""
    worker = await worker_with(keeps=False)
    await enrol(worker.redis, "bad", "k3")
    plan = plan_for(prompt="[[sandbox:hold]]")
    broken = await begin(worker, plan, team="bad", key_id="k3")
    ticket = await begin(worker, plan)
    await until(lambda: sandbox.stats().paid_calls == 2)
    await worker.redis.set(f"{{bad}}:gen:{broken.id}", "no hash")
    before = await lease_of(worker, ticket.id)
    await asyncio.sleep(0.002)  # Redis counts leases in milliseconds
    await worker.keeper.renew()
    assert await lease_of(worker, ticket.id) > before
    assert [event.chore for event in events.of(StoreTroubled)] == ["renew"]
    await worker.die()


async def test_a_record_that_nobody_can_read_holds_up_no_other(worker_with, sandbox, events):
    """What a newer version has written is left to it; the task beside it is collected."""
    dead, heir = await worker_with(keeps=False), await worker_with(keeps=False)
    odd = await begin(dead, plan_for("flux-kontext-max", prompt="[[sandbox:task-hold]] odd"))
    good = await begin(dead, plan_for("flux-kontext-max", prompt="[[sandbox:task-hold]] good"))
    await until(lambda: odd.leads.stages == good.leads.stages == ["submitted"])
    await dead.redis.hset(f"{{art}}:gen:{odd.id}", "plan", '{"from": "another version"}')
    await dead.die()
    await heir.ledger.hand_over("art", [(odd.id, 1), (good.id, 1)])
    await heir.keeper.sweep()
    assert [event.generation_id for event in events.of(GenerationTaken)] == [good.id]
    sandbox.release()

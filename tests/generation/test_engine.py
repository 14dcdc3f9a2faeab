"""The life of generations: admitted, detached from the request, left, drained, and paid for once."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from gateway.errors import Moderated, Unauthenticated, Unavailable, UpstreamFailed
from gateway.generation.admission import Policy
from gateway.generation.limits import Circuits, Slots
from gateway.store.brakes import BrakeState
from gateway.telemetry.events import GenerationBooked, GenerationFinished, GenerationTaken
from tests.support.generation import WallClock, begin, collect, enrol, leave, make, plan_for, row, until
from tests.support.ledger_reading import booked, reserved, state_of

NO_STORE = Policy(reads=False, stores=False)


async def test_a_generation_delivers_and_tells(worker, sandbox, events):
    """The outcome holds the pictures and their cost, and one event says whose it was."""
    plan = plan_for(n=2)
    ticket = await begin(worker, plan)
    outcome = await collect(worker, ticket)
    assert len({picture.data for picture in outcome.pictures}) == 2
    [finished] = events.of(GenerationFinished)
    assert (finished.generation_id, finished.team, finished.key_id) == (ticket.id, "art", "k1")
    assert (finished.outcome, finished.asked, finished.delivered) == ("delivered", 2, 2)
    assert finished.cost_micro_usd == outcome.cost == plan.estimate > 0
    assert sandbox.stats().paid_calls == 2
    assert await booked(worker) == {"requests": 1, "generations": 1, "images": 2, "cost": plan.estimate}
    assert await reserved(worker) == (0, 0)


async def test_what_is_being_made_is_reserved(worker, sandbox):
    """Images and money are set aside before the call goes out, and settled when it comes back."""
    plan = plan_for(prompt="[[sandbox:hold]]", n=3)
    ticket = await begin(worker, plan)
    await until(lambda: sandbox.stats().paid_calls == 3)
    assert await reserved(worker) == (3, plan.estimate)
    assert await state_of(worker, ticket.id) == "open"
    sandbox.release()
    await collect(worker, ticket)
    assert await reserved(worker) == (0, 0)
    assert await state_of(worker, ticket.id) == "delivered"


async def test_who_stops_waiting_stops_nothing(worker, sandbox, events):
    """The waiting handler is cancelled while upstream works: the picture still arrives and is told as delivered."""
    ticket = await begin(worker, plan_for(prompt="[[sandbox:hold]]"))
    waiting = asyncio.ensure_future(asyncio.wait({ticket.task}))
    await until(lambda: sandbox.stats().paid_calls == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    worker.generations.leave(ticket, answered=False)
    sandbox.release()
    outcome = await ticket.task
    assert len(outcome.pictures) == 1
    assert [event.outcome for event in events.of(GenerationFinished)] == ["delivered"]
    assert sandbox.stats().paid_calls == 1


async def test_nobody_need_ask_for_a_failure(worker, events):
    """A generation that fails after its client has left ends quietly: told once, and no complaint of asyncio's."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    await begin(worker, plan_for(prompt="[[sandbox:moderated]]"))
    await worker.generations.drain()
    assert [event.outcome for event in events.of(GenerationFinished)] == ["content_policy_violation"]
    assert complaints == []


async def test_a_generation_that_is_cancelled_says_so(worker, sandbox, events):
    """Only a dying loop cancels a generation: it ends as cancelled, not as delivered."""
    ticket = await begin(worker, plan_for(n=2, prompt="[[sandbox:hold]]"))
    await until(lambda: sandbox.stats().paid_calls == 2)
    ticket.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ticket.task
    assert [event.outcome for event in events.of(GenerationFinished)] == ["cancelled"]


async def test_a_full_queue_gives_the_reservation_back(worker_with, sandbox):
    """Who finds the queue full gets 503, has bought nothing, and nothing stays set aside for it."""
    worker = await worker_with(engine={"slots": Slots(max_in_flight=1, max_queued=1)})
    with pytest.raises(Unavailable) as caught:
        await make(worker, plan_for(n=3))
    assert caught.value.code == "server_overloaded"
    assert await reserved(worker) == (0, 0)
    assert (await make(worker, plan_for(n=2))).pictures
    assert sandbox.stats().paid_calls == 2


async def test_an_open_circuit_gives_the_reservation_back(worker_with, sandbox):
    """A model that is left alone is refused before anything is sent, and nothing stays set aside."""
    worker = await worker_with(engine={"circuits": Circuits(failures=1, open_s=3600, clock=WallClock())})
    with pytest.raises(UpstreamFailed):
        await make(worker, plan_for(prompt="[[sandbox:http-500]]"))
    with pytest.raises(Unavailable) as caught:
        await make(worker, plan_for())
    assert caught.value.code == "model_unavailable"
    assert await reserved(worker) == (0, 0)
    assert len(sandbox.calls) == 1


async def test_a_circuit_that_opens_while_others_wait_gives_their_reservations_back(worker_with, sandbox):
    """The first fails while a second is on its way to its call: that one is refused, and pays nothing."""
    worker = await worker_with(engine={"circuits": Circuits(failures=1, open_s=3600, clock=WallClock())})
    ticket = await begin(worker, plan_for())
    with pytest.raises(UpstreamFailed), worker.circuits.through(row("dall-e-3")):
        raise UpstreamFailed("another one failed")
    with pytest.raises(Unavailable):
        await collect(worker, ticket)
    assert await reserved(worker) == (0, 0)
    assert sandbox.calls == []


async def test_waiting_requests_of_a_key_are_bounded(worker_with, sandbox):
    """A key may have so many requests waiting here; another key, and the next one after an answer, may wait too."""
    worker = await worker_with(engine={"most_waiting": 2})
    plan = plan_for(prompt="[[sandbox:hold]]")
    tickets = [await begin(worker, plan) for _ in range(2)]
    with pytest.raises(Unavailable) as caught:
        await begin(worker, plan)
    tickets.append(await begin(worker, plan, key_id="k2"))
    await until(lambda: sandbox.stats().paid_calls == 1)
    sandbox.release()
    for ticket in tickets:
        await collect(worker, ticket)
    assert caught.value.code == "server_overloaded"
    assert (await make(worker, plan)).pictures
    assert sandbox.stats().paid_calls == 1


async def test_a_crowd_is_held_to_the_same_bound(worker_with, sandbox):
    """Requests that come at the same moment are counted before they are decided about."""
    worker = await worker_with(engine={"most_waiting": 2})
    asked = [begin(worker, plan_for(prompt=f"fox {number}")) for number in range(6)]
    tickets = await asyncio.gather(*asked, return_exceptions=True)
    let_in = [ticket for ticket in tickets if not isinstance(ticket, Unavailable)]
    for ticket in let_in:
        await collect(worker, ticket)
    assert (len(let_in), sandbox.stats().paid_calls) == (2, 2)


async def test_who_is_refused_waits_no_longer(worker_with):
    """A refusal gives its place back."""
    worker = await worker_with(engine={"most_waiting": 1})
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await begin(worker, plan_for(), key_id="nobody")
    assert (await make(worker, plan_for())).pictures


async def test_a_client_that_leaves_before_anything_was_sent_buys_nothing(narrow, sandbox):
    """What still waits for its turn when its client leaves is not bought, and the next try makes it."""
    plan = plan_for()
    async with narrow.slots.slot(plan.model):
        left = await begin(narrow, plan)
        narrow.generations.leave(left, answered=False)
    with pytest.raises(Unavailable):
        await left.task
    again = await begin(narrow, plan, is_retry=True)
    assert again.id != left.id
    assert (await collect(narrow, again)).pictures
    assert sandbox.stats().paid_calls == 1
    assert await state_of(narrow, left.id) == "void"


async def test_one_who_waits_still_gets_what_the_first_left(narrow, sandbox):
    """The leader leaves before its turn, but somebody else has joined: it is bought for that one."""
    plan = plan_for()
    async with narrow.slots.slot(plan.model):
        leader = await begin(narrow, plan)
        joiner = await begin(narrow, plan)
        narrow.generations.leave(leader, answered=False)
    assert (await collect(narrow, joiner)).pictures
    assert (leader.id, "joined") == (joiner.id, joiner.cache)
    assert sandbox.stats().paid_calls == 1


def test_a_client_that_hangs_up_still_gets_its_picture_made(gateway, key, sandbox):
    """The socket closes while upstream works: the generation ends as delivered, paid once."""
    body = b'{"model": "dall-e-3", "prompt": "[[sandbox:hold]]"}'
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: gw\r\nauthorization: Bearer {key}\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(gateway.url).port)) as client:
        client.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        sandbox.wait_for(lambda: sandbox.stats().paid_calls == 1)
    sandbox.release()
    line = 'gateway_generations_total{model="dall-e-3",outcome="delivered"} 1.0'
    with gateway.http() as http:
        sandbox.wait_for(lambda: line in http.get("/metrics").text)
    assert sandbox.stats().paid_calls == 1


async def test_draining_refuses_what_is_new_and_waits_for_what_runs(worker, sandbox):
    """While a picture is being made: new ones get 503 `draining`, and drain ends only when it has arrived."""
    ticket = await begin(worker, plan_for(prompt="[[sandbox:hold]]"))
    await until(lambda: sandbox.stats().paid_calls == 1)
    draining = asyncio.ensure_future(worker.generations.drain())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await begin(worker, plan_for())
    assert (caught.value.code, caught.value.should_retry) == ("draining", True)
    assert not draining.done()
    sandbox.release()
    await draining
    assert len(ticket.task.result().pictures) == 1
    assert await state_of(worker, ticket.id) == "delivered"
    assert sandbox.stats().paid_calls == 1


async def test_identical_requests_share_one_generation(worker, other, sandbox):
    """At the same time, on the same and on another worker: one purchase, one picture, paid by the first."""
    plan = plan_for(prompt="[[sandbox:hold]]")
    leader = await begin(worker, plan)
    here, there = await begin(worker, plan), await begin(other, plan, key_id="k2")
    await until(lambda: sandbox.stats().paid_calls == 1)
    sandbox.release()
    tickets = [(worker, leader), (worker, here), (other, there)]
    outcomes = [await collect(where, ticket) for where, ticket in tickets]
    assert len({outcome.pictures[0].data for outcome in outcomes}) == 1
    assert [(ticket.id, ticket.cache, ticket.is_free) for _, ticket in tickets] == [
        (leader.id, "miss", False), (leader.id, "joined", True), (leader.id, "joined", True),
    ]  # fmt: skip
    assert sandbox.stats().paid_calls == 1
    assert await booked(worker) == {"requests": 3, "joins": 2, "generations": 1, "images": 1, "cost": plan.estimate}


async def test_what_was_made_is_replayed(worker, other, sandbox):
    """Later, on any worker: the same picture, its age told, and no call."""
    made = await make(worker, plan_for())
    for where in (worker, other):
        ticket = await begin(where, plan_for())
        assert (await collect(where, ticket)).pictures == made.pictures
        assert (ticket.cache, ticket.is_free, ticket.age_s) == ("hit", True, 0)
    assert sandbox.stats().paid_calls == 1


async def test_another_team_shares_nothing(worker, sandbox):
    """What one team bought is no other's, though it asks for the same."""
    await enrol(worker.redis, "maths", "m1")
    await make(worker, plan_for())
    await make(worker, plan_for(), team="maths", key_id="m1")
    assert sandbox.stats().paid_calls == 2


async def test_joiners_of_a_failure_get_that_failure(narrow, other, sandbox):
    """Whoever waited for it, here or elsewhere, is told what the leader is told."""
    plan = plan_for(prompt="[[sandbox:moderated]]")
    async with narrow.slots.slot(plan.model):
        tickets = [(narrow, await begin(narrow, plan)), (narrow, await begin(narrow, plan))]
        tickets.append((other, await begin(other, plan)))
    told = []
    for where, ticket in tickets:
        with pytest.raises(Moderated) as caught:
            await collect(where, ticket)
        told.append((caught.value.status, caught.value.type, caught.value.code, caught.value.message))
    assert len(set(told)) == 1
    assert {ticket.id for _, ticket in tickets} == {tickets[0][1].id}
    assert len(sandbox.calls) == 1


async def test_who_joined_what_came_to_nothing_leads_in_its_place(narrow, other, sandbox):
    """The leader's turn comes and it is turned away with nothing bought: the joiner elsewhere makes the picture."""
    plan = plan_for()
    async with narrow.slots.slot(plan.model):
        leader = await begin(narrow, plan)
        joiner = await begin(other, plan)
        await narrow.maker.drop(leader.leads)
        outcome = await asyncio.shield(joiner.task)
    other.generations.leave(joiner, answered=True)
    assert len(outcome.pictures) == 1
    assert (joiner.cache, joiner.id != leader.id) == ("miss", True)
    with pytest.raises(Unavailable) as caught:
        await collect(narrow, leader)
    assert caught.value.code == "lease_lost"
    assert sandbox.stats().paid_calls == 1


async def test_who_joined_what_came_to_nothing_buys_nothing_while_draining(narrow, worker_with, sandbox):
    """A worker that shuts down leads nothing new, not even for those who have waited here for another's."""
    plan = plan_for()
    other = await worker_with()
    async with narrow.slots.slot(plan.model):
        leader = await begin(narrow, plan)
        joiner = await begin(other, plan)
        await other.generations.hand_over()
        await narrow.maker.drop(leader.leads)
        with pytest.raises(Unavailable) as caught:
            await asyncio.shield(joiner.task)
    assert caught.value.code == "draining"
    assert sandbox.calls == []


async def test_a_result_whose_bytes_are_gone_is_made_anew(worker_with, sandbox):
    """The index still has it, the blobs do not: bought again, and the new one replaces the old."""
    worker = await worker_with(cache_bytes=0)
    first = await begin(worker, plan_for())
    old = await collect(worker, first)
    await worker.redis.delete(f"blob:{old.pictures[0].sha256}")
    again = await begin(worker, plan_for())
    new = await collect(worker, again)
    assert (again.cache, again.id != first.id) == ("miss", True)
    assert new.pictures != old.pictures
    assert (await make(worker, plan_for())).pictures == new.pictures
    assert sandbox.stats().paid_calls == 2


async def test_a_blobs_server_that_is_away_costs_the_leader_nothing(worker_with, sandbox):
    """The picture cannot be kept: the leader's client gets it, a joiner elsewhere is told that it is lost to it."""
    nowhere = {"blobs_url": "unix:///tmp/there-is-nothing-here"}
    worker, other = await worker_with(**nowhere), await worker_with(**nowhere)
    plan = plan_for(prompt="[[sandbox:hold]]")
    leader, here, there = await begin(worker, plan), await begin(worker, plan), await begin(other, plan)
    await until(lambda: sandbox.stats().paid_calls == 1)
    sandbox.release()
    assert (await collect(worker, leader)).pictures == (await collect(worker, here)).pictures
    with pytest.raises(UpstreamFailed) as caught:
        await collect(other, there)
    assert (caught.value.code, caught.value.should_retry) == ("result_lost", False)
    assert await state_of(worker, leader.id) == "delivered"
    assert sandbox.stats().paid_calls == 1


async def test_a_hit_while_the_blobs_server_is_away_buys_nothing(worker_with, own_valkey, sandbox):
    """Bytes that may still be there are not bought a second time: 503, and a retry is invited."""
    worker = await worker_with(blobs_url=own_valkey.url, cache_bytes=0)
    await make(worker, plan_for())
    own_valkey.kill()
    with pytest.raises(Unavailable) as caught:
        await make(worker, plan_for())
    assert (caught.value.code, caught.value.should_retry) == ("redis_unavailable", True)
    assert sandbox.stats().paid_calls == 1


async def test_unshared_requests_each_make_their_own(worker, sandbox):
    """With `no-store` twice the same is two purchases and two pictures, though both run at once."""
    tickets = [await begin(worker, plan_for(), policy=NO_STORE) for _ in range(3)]
    outcomes = [await collect(worker, ticket) for ticket in tickets]
    assert len({outcome.pictures[0].data for outcome in outcomes}) == 3
    assert {ticket.cache for ticket in tickets} == {"bypass"}
    assert sandbox.stats().paid_calls == 3


@pytest.mark.parametrize("policy", [Policy(), NO_STORE], ids=["shared", "unshared"])
@pytest.mark.parametrize("is_over", [False, True])
async def test_what_its_client_left_is_claimed_by_the_retry(worker, other, sandbox, policy, is_over):
    """Who left and sends the same again, at whichever worker, gets the same generation, running or finished."""
    plan = plan_for(prompt="[[sandbox:hold]]")
    left = await begin(worker, plan, policy=policy)
    await until(lambda: sandbox.stats().paid_calls == 1)
    await leave(worker, left)
    if is_over:
        sandbox.release()
        await left.task
    retry = await begin(other, plan, policy=policy, is_retry=True)
    if not is_over:
        sandbox.release()
    assert (await collect(other, retry)).pictures == left.task.result().pictures
    assert retry.id == left.id
    assert sandbox.stats().paid_calls == 1


async def test_what_is_unshared_is_claimed_once_and_by_its_own_key(worker, sandbox):
    """Another key, another wish, and the retry of a retry that was answered make their own."""
    plan = plan_for(prompt="[[sandbox:hold]]")
    left = await begin(worker, plan, policy=NO_STORE)
    await until(lambda: sandbox.stats().paid_calls == 1)
    await leave(worker, left)
    stranger = await begin(worker, plan, policy=NO_STORE, is_retry=True, key_id="k2")
    elsewhere = await begin(worker, plan_for(prompt="[[sandbox:hold]] else"), policy=NO_STORE, is_retry=True)
    retry = await begin(worker, plan, policy=NO_STORE, is_retry=True)
    again = await begin(worker, plan, policy=NO_STORE, is_retry=True)
    await until(lambda: sandbox.stats().paid_calls == 4)
    sandbox.release()
    for ticket in (stranger, elsewhere, retry, again):
        await collect(worker, ticket)
    assert retry.id == left.id
    assert len({left.id, stranger.id, elsewhere.id, again.id}) == 4


async def test_a_claim_whose_client_leaves_as_well_can_be_claimed_again(worker, sandbox):
    """A client that gives up while its picture is on the way to it, again and again, pays for one picture."""
    plan = plan_for()
    ticket = await begin(worker, plan, policy=NO_STORE)
    await ticket.task
    await leave(worker, ticket)
    for _ in range(3):
        ticket = await begin(worker, plan, policy=NO_STORE, is_retry=True)
        await asyncio.wait({ticket.task})
        await leave(worker, ticket)
    assert (await make(worker, plan, policy=NO_STORE, is_retry=True)).pictures == ticket.task.result().pictures
    assert sandbox.stats().paid_calls == 1


async def test_what_was_delivered_in_part_is_no_retrys(worker_with, sandbox):
    """A part of the pictures is not cached, and was delivered: who asks again, as a retry or not, buys anew."""
    worker = await worker_with(rules={"late_ms": -1})
    sandbox.drill("dall-e-3", "moderated", times=1)
    plan = plan_for(n=2)
    assert len((await make(worker, plan)).pictures) == 1
    await worker.quiet()
    again = await begin(worker, plan, is_retry=True)
    assert len((await collect(worker, again)).pictures) == 2
    assert again.cache == "miss"


async def test_redis_away_between_admission_and_purchase_buys_nothing(worker_with, own_valkey, sandbox):
    """No call goes out that is not written down: 503, and when Redis is back the reservation is given back."""
    worker = await worker_with(
        own_valkey.url, command_timeout_s=0.3, engine={"slots": Slots(max_in_flight=1, max_queued=9)}
    )
    plan = plan_for()
    async with worker.slots.slot(plan.model):
        ticket = await begin(worker, plan)
        own_valkey.pause()
    with pytest.raises(Unavailable) as caught:
        await collect(worker, ticket)
    own_valkey.resume()
    assert (caught.value.code, caught.value.should_retry) == ("redis_unavailable", True)
    await worker.maker.settled()
    assert await state_of(worker, ticket.id) == "void"
    assert await reserved(worker) == (0, 0)
    assert sandbox.calls == []


async def test_trouble_of_our_own_does_not_open_the_circuit(worker_with, own_valkey, sandbox):
    """A Redis that is away, or clients that leave the queue, say nothing of the model's health."""
    worker = await worker_with(
        own_valkey.url,
        command_timeout_s=0.3,
        engine={
            "slots": Slots(max_in_flight=1, max_queued=9),
            "circuits": Circuits(failures=1, open_s=3600, clock=WallClock()),
        },
    )
    plan = plan_for()
    async with worker.slots.slot(plan.model):
        left = await begin(worker, plan)
        worker.generations.leave(left, answered=False)
    with pytest.raises(Unavailable):
        await left.task
    async with worker.slots.slot(plan.model):
        ticket = await begin(worker, plan_for(prompt="a hen"))
        own_valkey.pause()
    with pytest.raises(Unavailable):
        await collect(worker, ticket)
    own_valkey.resume()
    await worker.maker.settled()
    assert (await make(worker, plan)).pictures
    assert sandbox.stats().paid_calls == 1


async def test_a_task_is_handed_over_and_collected_by_another_worker(worker, other, sandbox, events):
    """At SIGTERM a waiting client is told to try again; the other worker collects, and the retry joins it there."""
    plan = plan_for("flux-kontext-max", prompt="[[sandbox:task-hold]]")
    ticket = await begin(worker, plan)
    await until(lambda: worker.generations.held()[0].stages == ["submitted"])
    await worker.generations.hand_over()
    with pytest.raises(Unavailable) as caught:
        await collect(worker, ticket)
    assert (caught.value.code, caught.value.should_retry) == ("draining", True)
    await until(lambda: events.of(GenerationTaken))
    retry = await begin(other, plan, is_retry=True)
    sandbox.release()
    assert len((await collect(other, retry)).pictures) == 1
    assert (retry.id, retry.cache) == (ticket.id, "joined")
    assert sandbox.stats().paid_calls == 1
    assert {event.outcome for event in events.of(GenerationFinished)} == {"handed_over", "delivered"}
    assert await booked(other) == {
        "requests": 2,
        "joins": 1,
        "recovered": 1,
        "generations": 1,
        "images": 1,
        "cost": plan.estimate,
    }
    await worker.generations.drain()


async def test_what_cannot_be_collected_by_others_is_not_handed_over(worker, sandbox, events):
    """A synchronous call's answer comes to the worker that made it: it is waited for."""
    ticket = await begin(worker, plan_for(prompt="[[sandbox:hold]]"))
    await until(lambda: sandbox.stats().paid_calls == 1)
    await worker.generations.hand_over()
    sandbox.release()
    assert len((await collect(worker, ticket)).pictures) == 1
    assert events.of(GenerationTaken) == []


async def test_a_task_that_is_not_written_down_is_not_handed_over(worker_with, own_valkey, sandbox):
    """Nobody else could find a task that Redis has not been told of: who bought it waits for it."""
    worker = await worker_with(own_valkey.url, command_timeout_s=0.3)
    plan = plan_for("flux-kontext-max", prompt="[[sandbox:hold]]")
    ticket = await begin(worker, plan)
    await until(lambda: sandbox.stats().paid_calls == 1)
    own_valkey.pause()
    sandbox.release()
    await until(lambda: worker.maker._insisting)
    await worker.generations.hand_over()
    own_valkey.resume()
    assert len((await collect(worker, ticket)).pictures) == 1


async def test_who_joins_the_heir_of_some_parts_gets_all(worker, other, sandbox, events):
    """One of two pictures was delivered before the hand-over: the retry at the worker that collects the other gets both."""
    sandbox.drill("flux-kontext-max", "task-hold", times=1)
    plan = plan_for("flux-kontext-max", n=2)
    await begin(worker, plan)
    await until(lambda: sorted(worker.generations.held()[0].stages) == ["done", "submitted"])
    await worker.generations.hand_over()
    await until(lambda: events.of(GenerationTaken))
    retry = await begin(other, plan, is_retry=True)
    sandbox.release()
    assert len((await collect(other, retry)).pictures) == 2
    assert sandbox.stats().paid_calls == 2
    await other.running.ended()
    await other.quiet()
    assert events.of(GenerationBooked) == [GenerationBooked("art", plan.model.id, 2, plan.estimate)]
    [collected] = [event for event in events.of(GenerationFinished) if event.adopted]
    assert (collected.delivered, collected.cost_micro_usd) == (2, plan.estimate)


class SlowBrakes:
    """A budget that is set, and never answers."""

    def __init__(self):
        self.asked = asyncio.Event()

    async def read(self):
        return BrakeState(10**9, {})

    async def reserve(self, *_):
        self.asked.set()
        await asyncio.Event().wait()


async def test_a_request_cancelled_while_it_reserves_keeps_no_room(worker_with):
    """Its client leaves while the gateway's budget is asked: its place in the queue is free again."""
    slots = Slots(max_in_flight=1, max_queued=0)
    worker = await worker_with(keeps=False, engine={"slots": slots})
    brakes = worker.braking._brakes = SlowBrakes()
    await worker.braking.refresh()
    begins = asyncio.ensure_future(begin(worker, plan_for()))
    await brakes.asked.wait()
    begins.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begins
    slots.place(row("dall-e-3"), 1)()
    slots.place(row("dall-e-3"), 1)

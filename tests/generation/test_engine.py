"""The life of generations: admitted, detached from the request, left, drained, and paid for once."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from gateway.errors import Unavailable, UpstreamFailed
from gateway.generation.limits import Circuits, Slots
from gateway.telemetry.events import GenerationFinished
from tests.support.generation import WallClock, begin, collect, make, plan_for, row, until
from tests.support.ledger_reading import booked, reserved, state_of


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

"""A generation's life: detached from its request, whole or in part, to the end even at shutdown."""

import asyncio
import dataclasses
import socket
from urllib.parse import urlsplit

import pytest

from gateway.errors import GatewayError, Moderated, OutcomeUnknown, Unavailable, UpstreamFailed
from gateway.telemetry.events import GenerationFinished, PartFailed, PictureLost, SurplusDropped
from tests.support.generation import Events, begin, generations_at, make, plan_for, until


@pytest.fixture
def events():
    return Events()


@pytest.fixture
async def generations(sandbox, events):
    async with generations_at(sandbox, events) as running:
        yield running


async def wait_for(generation):
    """Wait as a request does."""
    return await asyncio.wait({generation.task})


async def test_a_generation_delivers_and_tells(generations, sandbox, events):
    """The outcome holds the pictures and their cost, and one event says whose it was."""
    plan = plan_for(n=2)
    generation = begin(generations, plan)
    outcome = await generation.task
    assert len({picture.data for picture in outcome.pictures}) == 2
    [finished] = events.of(GenerationFinished)
    assert (finished.generation_id, finished.team, finished.key_id) == (generation.id, "art", "k1")
    assert (finished.outcome, finished.asked, finished.delivered) == ("delivered", 2, 2)
    assert finished.cost_micro_usd == outcome.cost == plan.estimate > 0
    assert sandbox.stats().paid_calls == 2


async def test_who_stops_waiting_stops_nothing(generations, sandbox, events):
    """The waiting handler is cancelled while upstream works: the picture still arrives and is told as delivered."""
    generation = begin(generations, plan_for(prompt="[[sandbox:hold]]"))
    waiting = asyncio.ensure_future(wait_for(generation))
    await until(lambda: sandbox.stats().paid_calls == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    sandbox.release()
    outcome = await generation.task
    assert len(outcome.pictures) == 1
    assert [event.outcome for event in events.of(GenerationFinished)] == ["delivered"]
    assert sandbox.stats().paid_calls == 1


async def test_nobody_need_ask_for_a_failure(generations, events):
    """A generation that fails after its client has left ends quietly: told once, and no complaint of asyncio's."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    begin(generations, plan_for(prompt="[[sandbox:moderated]]"))
    await generations.drain()
    assert [event.outcome for event in events.of(GenerationFinished)] == ["content_policy_violation"]
    assert complaints == []


@pytest.mark.parametrize("failing", [1, 2])
async def test_what_succeeds_of_a_fan_out_is_delivered(generations, sandbox, events, failing):
    """Some of three parts are refused: the others are delivered and alone are paid for."""
    sandbox.drill("dall-e-3", "moderated", times=failing)
    plan = plan_for(n=3)
    outcome = await make(generations, plan)
    assert len(outcome.pictures) == 3 - failing
    assert outcome.cost == plan.estimate // 3 * (3 - failing)
    assert [event.outcome for event in events.of(PartFailed)] == ["content_policy_violation"] * failing
    assert sandbox.stats().paid_calls == 3 - failing


async def test_when_all_fail_the_failure_is_told(generations, events):
    """Every part is refused: the client gets that refusal."""
    with pytest.raises(Moderated):
        await make(generations, plan_for(n=3, prompt="[[sandbox:moderated]]"))
    [finished] = events.of(GenerationFinished)
    assert (finished.outcome, finished.delivered, finished.cost_micro_usd) == ("content_policy_violation", 0, None)


@pytest.mark.parametrize("order", [[Unavailable, OutcomeUnknown], [OutcomeUnknown, Unavailable]])
async def test_a_retry_is_not_invited_while_one_part_may_be_paid(sandbox, order):
    """One part was turned away, another may have been charged: the answer is the one that forbids the retry."""
    errors = iter(order)

    class Failing:
        @staticmethod
        def submit(_model, _payload):
            raise next(errors)("it failed")
            yield

    async with generations_at(sandbox, attempts=1) as generations:
        with pytest.raises(OutcomeUnknown) as caught:
            await make(generations, dataclasses.replace(plan_for(n=2), dialect=Failing))
    assert caught.value.should_retry is False


class OddFirstPart:
    """Breaks on the first part with a fault of the gateway's own, and buys the others."""

    def __init__(self, plan):
        self._plan = plan
        self.calls = 0

    def submit(self, model, payload):
        self.calls += 1
        if self.calls == 1:
            raise KeyError("a fault of our own")
        return (yield from self._plan.dialect.submit(model, payload))


async def test_a_fault_of_our_own_spares_its_siblings_and_is_told(generations, events):
    """An unexpected exception in one part is reported with its traceback; the other pictures are delivered."""
    plan = plan_for(n=3)
    outcome = await make(generations, dataclasses.replace(plan, dialect=OddFirstPart(plan)))
    assert len(outcome.pictures) == 2
    [failed] = events.of(PartFailed)
    assert failed.outcome == "internal_error"
    assert isinstance(failed.error, KeyError)
    assert failed.error.__traceback__ is not None


async def test_a_fault_of_our_own_invites_no_retry(generations, events):
    """SDKs repeat a 500 by themselves; what broke down here may have been paid for, so they are told not to."""
    plan = plan_for()
    with pytest.raises(GatewayError) as caught:
        await make(generations, dataclasses.replace(plan, dialect=OddFirstPart(plan)))
    assert (caught.value.status, caught.value.code, caught.value.should_retry) == (500, "internal_error", False)
    assert "fault of our own" not in caught.value.message
    assert [event.outcome for event in events.of(GenerationFinished)] == ["internal_error"]


async def test_more_than_asked_for_is_cut_and_told(generations, sandbox, events):
    """Upstream makes (and charges) two more: the client gets what it asked for, and an event keeps count."""
    outcome = await make(generations, plan_for("imagen-4.0-generate-001", n=2, prompt="[[sandbox:more=2]]"))
    assert len(outcome.pictures) == 2
    assert [event.images for event in events.of(SurplusDropped)] == [2]
    assert sandbox.stats().images == 4


async def test_fewer_than_asked_for_are_delivered_as_they_are(generations):
    """Upstream silently drops one of three: the client gets two and pays for two."""
    plan = plan_for("imagen-4.0-generate-001", n=3, prompt="[[sandbox:fewer=1]]")
    outcome = await make(generations, plan)
    assert len(outcome.pictures) == 2
    assert outcome.cost == plan.estimate // 3 * 2


async def test_one_picture_that_cannot_be_had_does_not_take_the_others(generations, sandbox, events):
    """Of three parts one delivers bytes that are no picture: two pictures remain, and the loss is told."""
    sandbox.drill("dall-e-3", "not-an-image", times=1)
    outcome = await make(generations, plan_for(n=3))
    assert len(outcome.pictures) == 2
    assert [event.outcome for event in events.of(PictureLost)] == ["upstream_error"]


async def test_parts_run_at_the_same_time(generations, sandbox):
    """All parts of a fan-out are under way before the first is answered."""
    generation = begin(generations, plan_for(n=4, prompt="[[sandbox:hold]]"))
    await until(lambda: sandbox.stats().paid_calls == 4)
    sandbox.release()
    assert len((await generation.task).pictures) == 4


async def test_draining_refuses_what_is_new_and_waits_for_what_runs(generations, sandbox):
    """While a picture is being made: new ones get 503 `draining`, and drain ends only when it has arrived."""
    generation = begin(generations, plan_for(prompt="[[sandbox:hold]]"))
    await until(lambda: sandbox.stats().paid_calls == 1)
    draining = asyncio.ensure_future(generations.drain())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        begin(generations, plan_for())
    assert (caught.value.code, caught.value.should_retry) == ("draining", True)
    assert not draining.done()
    sandbox.release()
    await draining
    assert len(generation.task.result().pictures) == 1
    assert sandbox.stats().paid_calls == 1


async def test_what_its_client_left_is_claimed_by_the_retry(generations, sandbox):
    """Who left and sends the same again gets the same generation; another key, or another wish, makes its own."""
    generation = begin(generations, plan_for(prompt="[[sandbox:hold]]"))
    generations.leave(generation)
    assert begin(generations, plan_for(prompt="[[sandbox:hold]]"), key_id="k2") is not generation
    assert begin(generations, plan_for(prompt="[[sandbox:hold]] another")) is not generation
    assert begin(generations, plan_for(prompt="[[sandbox:hold]]"), is_retry=True) is generation
    assert begin(generations, plan_for(prompt="[[sandbox:hold]]"), is_retry=True) is not generation
    await until(lambda: sandbox.stats().paid_calls == 4)
    sandbox.release()
    await generations.drain()


async def test_a_retry_may_collect_what_it_left_even_while_draining(generations, sandbox):
    """What is paid for is handed over to the last; only what is new is refused."""
    generation = begin(generations, plan_for())
    await until(lambda: sandbox.stats().paid_calls == 1)
    generations.leave(generation)
    await generations.drain()
    assert begin(generations, plan_for(), is_retry=True) is generation
    assert len(generation.task.result().pictures) == 1
    assert sandbox.stats().paid_calls == 1


async def test_a_client_that_leaves_before_anything_was_sent_buys_nothing(generations, sandbox):
    """What still waits for its turn when its client leaves is not bought, and the next try makes it."""
    left = begin(generations, plan_for())
    generations.leave(left)
    with pytest.raises(Unavailable):
        await left.task
    again = begin(generations, plan_for(), is_retry=True)
    assert again is not left
    await again.task
    assert sandbox.stats().paid_calls == 1


async def test_a_generation_that_is_cancelled_says_so(generations, sandbox, events):
    """Only a dying loop cancels a generation: it ends as cancelled, not as delivered."""
    generation = begin(generations, plan_for(n=2, prompt="[[sandbox:hold]]"))
    await until(lambda: sandbox.stats().paid_calls == 2)
    generation.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await generation.task
    assert [event.outcome for event in events.of(GenerationFinished)] == ["cancelled"]
    sandbox.release()


async def test_a_failed_download_is_the_parts_failure(generations, sandbox):
    """The picture was made, but its URL has expired: told as such, and not bought again."""
    with pytest.raises(UpstreamFailed) as caught:
        await make(generations, plan_for("V3", prompt="[[sandbox:url-life=-1]]"))
    assert caught.value.code == "download_failed"
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

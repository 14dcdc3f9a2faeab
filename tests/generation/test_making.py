"""A generation's parts: made at once, each stored and booked by itself, whatever becomes of the others."""

import dataclasses

import msgspec
import pytest

from gateway.catalog import PerMillionTokens
from gateway.errors import GatewayError, Moderated, OutcomeUnknown, Unavailable, UpstreamFailed
from gateway.telemetry.events import (
    BookingDelayed,
    GenerationBooked,
    GenerationFinished,
    PartFailed,
    PictureLost,
    SurplusDropped,
)
from tests.support.generation import admitted, begin, collect, make, plan_for, row, until
from tests.support.ledger_reading import booked, reserved, state_of


@pytest.mark.parametrize("failing", [1, 2])
async def test_what_succeeds_of_a_fan_out_is_delivered(worker, sandbox, events, failing):
    """Some of three parts are refused: the others are delivered and alone are paid for."""
    sandbox.drill("dall-e-3", "moderated", times=failing)
    plan = plan_for(n=3)
    outcome = await make(worker, plan)
    cost = plan.estimate // 3 * (3 - failing)
    assert (len(outcome.pictures), outcome.cost) == (3 - failing, cost)
    assert [event.outcome for event in events.of(PartFailed)] == ["content_policy_violation"] * failing
    assert sandbox.stats().paid_calls == 3 - failing
    assert await booked(worker) == {"requests": 1, "generations": 1, "images": 3 - failing, "cost": cost}
    assert await reserved(worker) == (0, 0)


async def test_when_all_fail_the_failure_is_told(worker, events):
    """Every part is refused: the client gets that refusal, and pays nothing."""
    with pytest.raises(Moderated):
        await make(worker, plan_for(n=3, prompt="[[sandbox:moderated]]"))
    [finished] = events.of(GenerationFinished)
    assert (finished.outcome, finished.delivered, finished.cost_micro_usd) == ("content_policy_violation", 0, 0)
    assert await booked(worker) == {"requests": 1, "generations": 1, "failures": 1}
    assert await reserved(worker) == (0, 0)


async def test_an_unknown_outcome_is_charged_and_held_back(worker, events, sandbox):
    """An answer is lost: booked and told as unknown at the estimate, and identical requests are not bought again."""
    plan = plan_for(prompt="[[sandbox:processed-then-reset]]")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await make(worker, plan)
    assert sandbox.stats().paid_calls == 1
    assert await booked(worker) == {"requests": 2, "generations": 1, "unknown": 1, "cost": plan.estimate}
    [finished] = events.of(GenerationFinished)
    assert (finished.outcome, finished.delivered, finished.cost_micro_usd) == ("outcome_unknown", 0, plan.estimate)
    assert await reserved(worker) == (0, 0)


@pytest.mark.parametrize("errors", [[Unavailable, OutcomeUnknown], [OutcomeUnknown, Unavailable]])
async def test_a_retry_is_not_invited_while_one_part_may_be_paid(worker, errors):
    """One part was turned away, another may have been charged: the answer is the one that forbids the retry."""
    remaining = iter(errors)

    async def buy(*_):
        raise next(remaining)("it failed")

    generation = await admitted(worker, plan_for(n=2))
    with pytest.raises(OutcomeUnknown) as caught:
        await worker.maker.make(generation, range(2), buy)
    assert caught.value.should_retry is False


class OddFirstPart:
    """A pair of hands that breaks on the first download, and brings in the others."""

    def __init__(self, worker):
        self._receive = worker.maker._delivery.receive
        self.calls = 0
        worker.maker._delivery.receive = self

    async def __call__(self, *args):
        self.calls += 1
        if self.calls == 1:
            raise KeyError("a fault of our own")
        return await self._receive(*args)


async def test_a_fault_of_our_own_spares_its_siblings_and_is_told(worker, events):
    """An unexpected exception in one part is reported with its traceback; the other pictures are delivered."""
    OddFirstPart(worker)
    plan = plan_for(n=3)
    outcome = await make(worker, plan)
    assert len(outcome.pictures) == 2
    [failed] = events.of(PartFailed)
    assert failed.outcome == "internal_error"
    assert isinstance(failed.error, KeyError)
    assert failed.error.__traceback__ is not None
    share = plan.estimate // 3
    assert await booked(worker) == {
        "requests": 1, "generations": 1, "images": 2, "unknown": 1, "cost": 3 * share,
    }  # fmt: skip


async def test_a_fault_of_our_own_invites_no_retry(worker, events):
    """SDKs repeat a 500 by themselves; what broke down here may have been paid for, so they are told not to."""
    OddFirstPart(worker)
    with pytest.raises(GatewayError) as caught:
        await make(worker, plan_for())
    assert (caught.value.status, caught.value.code, caught.value.should_retry) == (500, "internal_error", False)
    assert "fault of our own" not in caught.value.message
    assert [event.outcome for event in events.of(GenerationFinished)] == ["internal_error"]


async def test_more_than_asked_for_is_cut_and_told(worker, sandbox, events):
    """Upstream makes (and charges) two more: the client gets what it asked for, and the books tell the rest."""
    outcome = await make(worker, plan_for("imagen-4.0-generate-001", n=2, prompt="[[sandbox:more=2]]"))
    assert len(outcome.pictures) == 2
    assert [event.images for event in events.of(SurplusDropped)] == [2]
    assert sandbox.stats().images == 4
    told = await booked(worker)
    assert (told["images"], told["spare"]) == (2, told["cost"])


async def test_fewer_than_asked_for_are_delivered_as_they_are(worker):
    """Upstream silently drops one of three: the client gets two and pays for two."""
    plan = plan_for("imagen-4.0-generate-001", n=3, prompt="[[sandbox:fewer=1]]")
    outcome = await make(worker, plan)
    assert (len(outcome.pictures), outcome.cost) == (2, plan.estimate // 3 * 2)


async def test_one_picture_that_cannot_be_had_does_not_take_the_others(worker, sandbox, events):
    """Of three parts one delivers bytes that are no picture: two remain, the loss is told, and booked as spare."""
    sandbox.drill("dall-e-3", "not-an-image", times=1)
    plan = plan_for(n=3)
    outcome = await make(worker, plan)
    assert len(outcome.pictures) == 2
    assert [event.outcome for event in events.of(PictureLost)] == ["upstream_error"]
    assert (await booked(worker))["cost"] == outcome.cost == plan.estimate // 3 * 2


async def test_parts_run_at_the_same_time(worker, sandbox):
    """All parts of a fan-out are under way before the first is answered."""
    ticket = await begin(worker, plan_for(n=4, prompt="[[sandbox:hold]]"))
    await until(lambda: sandbox.stats().paid_calls == 4)
    sandbox.release()
    assert len((await collect(worker, ticket)).pictures) == 4


async def test_a_failed_download_is_the_parts_failure(worker, sandbox):
    """The picture was made, but its URL has expired: told as such, not bought again, booked as paid in vain."""
    plan = plan_for("V3", prompt="[[sandbox:url-life=-1]]")
    with pytest.raises(UpstreamFailed) as caught:
        await make(worker, plan)
    assert caught.value.code == "download_failed"
    assert sandbox.stats().paid_calls == 1


async def test_redis_away_at_the_end_keeps_no_client_waiting(worker_with, own_valkey, valkey_url, sandbox, events):
    """The picture is delivered while nothing can be booked, and booked once when Redis is back."""
    worker = await worker_with(own_valkey.url, blobs_url=valkey_url, command_timeout_s=0.3)
    plan = plan_for(prompt="[[sandbox:hold]]")
    ticket = await begin(worker, plan)
    await until(lambda: sandbox.stats().paid_calls == 1)
    own_valkey.pause()
    sandbox.release()
    outcome = await collect(worker, ticket)
    assert (len(outcome.pictures), outcome.cost) == (1, plan.estimate)
    assert [event.generation_id for event in events.of(BookingDelayed)] == [ticket.id]
    own_valkey.resume()
    await worker.maker.settled()
    assert await booked(worker) == {"requests": 1, "generations": 1, "images": 1, "cost": plan.estimate}
    assert events.of(GenerationBooked) == [GenerationBooked("art", "dall-e-3", 1, plan.estimate)]
    assert await reserved(worker) == (0, 0)
    assert (await make(worker, plan)).pictures == outcome.pictures
    assert sandbox.stats().paid_calls == 1


class LosesReplies:
    """A ledger whose first reply to a settle is lost on its way."""

    def __init__(self, ledger):
        self._ledger = ledger
        self.lost = 0

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def settle(self, *report):
        settled = await self._ledger.settle(*report)
        if not self.lost:
            self.lost += 1
            raise ConnectionError
        return settled


async def test_a_settle_whose_reply_was_lost_is_counted_once(worker, events):
    """It has moved the books; its repetition moves nothing, and tells what the first one did."""
    plan = plan_for()
    generation = await admitted(worker, plan)
    generation.ledger = ledger = LosesReplies(worker.ledger)
    await worker.maker.make(generation, [0], worker.maker.buying(plan.parts))
    await worker.maker.settled()
    assert (ledger.lost, len(events.of(BookingDelayed))) == (1, 1)
    assert events.of(GenerationBooked) == [GenerationBooked("art", "dall-e-3", 1, plan.estimate)]
    assert not generation.is_repeated


async def test_a_dropped_generation_leaves_nothing_behind(worker):
    """What is not made here is given back: void, and no trace in the counters."""
    generation = await admitted(worker, plan_for(n=3))
    assert (await reserved(worker))[0] == 3
    await worker.maker.drop(generation)
    assert await state_of(worker, generation.id) == "void"
    assert await reserved(worker) == (0, 0)
    assert await booked(worker) == {"requests": 1}


async def test_tokens_that_upstream_counts_are_what_is_charged(worker):
    """A model that is priced by tokens costs what upstream reports, whatever was reserved."""
    plan = plan_for("gpt-image-1")
    by_tokens = msgspec.structs.replace(plan.model.price, tokens=PerMillionTokens(5, 10, 40))
    model = row("gpt-image-1", price=by_tokens)
    outcome = await make(worker, dataclasses.replace(plan, model=model))
    assert outcome.usage.total_tokens > 0
    assert outcome.cost == 5 * outcome.usage.text_input_tokens + 40 * outcome.usage.output_tokens
    assert (await booked(worker))["cost"] == outcome.cost
    assert await reserved(worker) == (0, 0)

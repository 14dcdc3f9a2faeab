"""A generation's parts: made at once, each stored and booked by itself, whatever becomes of the others."""

import pytest

from gateway.errors import GatewayError, Moderated, OutcomeUnknown, Unavailable, UpstreamFailed
from gateway.telemetry.events import GenerationFinished, PartFailed, PictureLost, SurplusDropped
from tests.support.generation import admitted, begin, collect, make, plan_for, until
from tests.support.ledger_reading import booked, reserved


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
    assert (finished.outcome, finished.delivered, finished.cost_micro_usd) == ("content_policy_violation", 0, None)
    assert await booked(worker) == {"requests": 1, "generations": 1, "failures": 1}
    assert await reserved(worker) == (0, 0)


async def test_an_unknown_outcome_is_charged_and_held_back(worker, sandbox):
    """An answer is lost: booked as unknown at the estimate, and identical requests are not bought again."""
    plan = plan_for(prompt="[[sandbox:processed-then-reset]]")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await make(worker, plan)
    assert sandbox.stats().paid_calls == 1
    assert await booked(worker) == {"requests": 2, "generations": 1, "unknown": 1, "cost": plan.estimate}
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

"""The operator's brakes, as a worker obeys them."""

import pytest

from gateway.errors import Forbidden, QuotaSpent, Unavailable
from tests.support.generation import begin, collect, make, plan_for, row, until
from tests.support.ledger_reading import reserved
from tests.support.valkey import gateway_client

V3 = row("V3")


async def test_a_model_that_is_off_is_refused(worker, sandbox):
    """With the operator's reason; nothing stays reserved, other models go on, and it can be lifted."""
    await worker.brakes.switch_off("dall-e-3", "use gpt-image-1")
    await worker.braking.refresh()
    with pytest.raises(Forbidden) as caught:
        await make(worker, plan_for())
    assert (caught.value.code, caught.value.param) == ("model_switched_off", "model")
    assert "use gpt-image-1" in caught.value.message
    assert await reserved(worker) == (0, 0)
    assert (await make(worker, plan_for("V3"))).pictures
    await worker.brakes.switch_on("dall-e-3")
    await worker.braking.refresh()
    assert (await make(worker, plan_for())).pictures
    assert sandbox.stats().paid_calls == 2


async def test_what_is_cached_is_still_answered(worker):
    """A brake stops purchases, and a hit is none."""
    made = await make(worker, plan_for())
    await worker.brakes.switch_off("dall-e-3")
    await worker.braking.refresh()
    assert (await make(worker, plan_for())).pictures == made.pictures


async def test_the_budget_of_the_gateway_is_reserved_and_settled(worker, sandbox):
    """What is under way counts at its estimate, what has ended at its cost, and no more is bought than is allowed."""
    plan = plan_for("V3", prompt="[[sandbox:hold]]")
    await worker.brakes.set_budget(plan.estimate)
    await worker.braking.refresh()
    ticket = await begin(worker, plan)
    await until(lambda: sandbox.stats().paid_calls == 1)
    with pytest.raises(QuotaSpent):
        await make(worker, plan_for("V3", prompt="a hen"))
    assert (await reserved(worker))[0] == 1
    sandbox.release()
    outcome = await collect(worker, ticket)
    await worker.quiet()
    spent = await worker.brakes.spent()
    assert (spent.used, spent.reserved) == (outcome.cost, 0)
    assert sandbox.stats().paid_calls == 1


async def test_what_cannot_be_priced_cannot_be_braked(worker):
    """Under a budget a model without a price is refused."""
    await worker.brakes.set_budget(10**9)
    await worker.braking.refresh()
    with pytest.raises(Forbidden) as caught:
        await worker.braking.reserve("gen_1", "art", V3, None)
    assert caught.value.code == "model_not_priced"


async def test_a_budget_that_cannot_be_asked_allows_nothing(worker):
    """Redis is away: 503, and nothing is bought."""
    await worker.brakes.set_budget(10**9)
    await worker.braking.refresh()
    worker.brakes._scripts._redis = gateway_client("unix:///nowhere")
    with pytest.raises(Unavailable) as caught:
        await worker.braking.reserve("gen_1", "art", V3, 1)
    assert caught.value.code == "redis_unavailable"


async def test_without_a_budget_nothing_is_asked(worker):
    """It costs no round trip: the store need not even be there."""
    await worker.braking.refresh()
    worker.brakes._scripts._redis = gateway_client("unix:///nowhere")
    await worker.braking.reserve("gen_1", "art", V3, 1)
    await worker.braking.settle("gen_1", 1)


async def test_a_worker_that_has_just_begun_knows_the_brakes(worker, sandbox):
    """Its first purchase asks for them, wherever they were set."""
    await worker.brakes.switch_off("dall-e-3")
    with pytest.raises(Forbidden):
        await make(worker, plan_for())
    assert sandbox.calls == []

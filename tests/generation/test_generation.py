"""The gate through which each purchase goes."""

import pytest

from gateway.errors import Unavailable
from gateway.generation.generation import Gate
from tests.support.generation import admitted, plan_for
from tests.support.ledger_reading import part_states
from tests.support.valkey import gateway_client


class Insistence(list):
    """Keeps what is to be done until it is taken."""

    __call__ = list.append


class Slow:
    """A clock on which a round trip takes so many seconds."""

    def __init__(self, seconds):
        self.now, self._seconds = 0.0, seconds

    def __call__(self):
        self.now += self._seconds
        return self.now


def gate_of(generation, part=0, clock=lambda: 0.0):
    """Make a gate; what it insists on is in `later`."""
    later = Insistence()
    return Gate(generation, part, clock=clock, insist=later), later


async def test_each_step_is_written_down(worker):
    """Sent, refused, sent again, accepted with its task: part by part."""
    generation = await admitted(worker, plan_for("flux-kontext-max", n=2))
    gate, later = gate_of(generation, part=1)
    seen = []
    for step in (gate.sending, gate.refused, gate.sending, lambda: gate.accepted("t.1")):
        await step()
        seen.append((generation.stages[1], (await part_states(worker, generation.id))[1]))
    assert seen == [(stage, stage) for stage in ("sent", "reserved", "sent", "submitted")]
    assert (await part_states(worker, generation.id))[0] == "reserved"
    assert await worker.redis.hget(f"{{art}}:gen:{generation.id}", "t2") == b"t.1"
    assert later == []


async def test_a_lease_that_is_lost_stays_shut(worker):
    """Another worker holds it, or it has ended: no call goes out."""
    generation = await admitted(worker, plan_for())
    generation.epoch += 1
    gate, _ = gate_of(generation)
    with pytest.raises(Unavailable) as caught:
        await gate.sending()
    assert (caught.value.code, caught.value.should_retry) == ("lease_lost", True)
    assert generation.stages == ["reserved"]


async def test_a_slow_answer_leaves_too_little_of_the_lease(worker):
    """With less than half of a lease left another may take over before upstream has the call: it does not go out."""
    lease_s = worker.ledger.rules.lease_ms / 1000
    generation = await admitted(worker, plan_for())
    gate, _ = gate_of(generation, clock=Slow(lease_s * 0.6))
    with pytest.raises(Unavailable, match="too slow"):
        await gate.sending()
    generation = await admitted(worker, plan_for(prompt="a hen"))
    gate, _ = gate_of(generation, clock=Slow(lease_s * 0.4))
    await gate.sending()
    assert generation.stages == ["sent"]


@pytest.mark.parametrize(("waiters", "opens"), [(False, False), (True, True)])
async def test_what_nobody_waits_for_is_not_bought(worker, waiters, opens):
    """Its client has left, and nobody has joined elsewhere; what is bought in part is bought on."""
    generation = await admitted(worker, plan_for(n=2))
    generation.waiting = 0
    if waiters:
        await worker.redis.hset(f"{{art}}:gen:{generation.id}", "waiters", 1)
    gate, _ = gate_of(generation)
    if opens:
        await gate.sending()
        await worker.redis.hdel(f"{{art}}:gen:{generation.id}", "waiters")
        await gate_of(generation, part=1)[0].sending()
        assert generation.stages == ["sent", "sent"]
    else:
        with pytest.raises(Unavailable, match="left"):
            await gate.sending()
        assert await part_states(worker, generation.id) == ["reserved", "reserved"]


async def test_a_store_that_is_away_stops_a_purchase_and_delays_its_record(worker):
    """Nothing goes out that is not written down; what went out already is written down later."""
    generation = await admitted(worker, plan_for("flux-kontext-max"))
    gate, later = gate_of(generation)
    await gate.sending()
    there = worker.ledger._scripts._redis
    worker.ledger._scripts._redis = gateway_client("unix:///nowhere")
    await gate.accepted("t.1")
    stages = [*generation.stages]
    await gate.refused()
    with pytest.raises(Unavailable) as caught:
        await gate.sending()
    generation.stages[0] = "sent"
    worker.ledger._scripts._redis = there
    assert (stages, caught.value.code) == (["sent"], "redis_unavailable")
    [write] = later
    await write()
    assert generation.stages == ["submitted"] == await part_states(worker, generation.id)


@pytest.mark.parametrize(
    ("stages", "only"),
    [
        (["submitted"], True),
        (["done", "submitted"], True),
        (["sent", "submitted"], False),
        (["reserved", "submitted"], False),
        (["settling", "submitted"], False),
        (["done", "done"], False),
    ],
)
async def test_what_another_worker_could_collect(worker, stages, only):
    """Tasks, and nothing that only this worker has in hand."""
    generation = await admitted(worker, plan_for("flux-kontext-max"))
    generation.stages = stages
    assert generation.only_has_tasks is only

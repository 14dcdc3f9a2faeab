"""Who decides about a request, and who may be served while Redis is away."""

import pytest

from gateway.errors import Forbidden, Unavailable
from gateway.generation.asking import Asking
from gateway.telemetry.events import Admitted, ServedWithoutStore
from tests.support.generation import Clock, Events, enrol, plan_for, wish
from tests.support.valkey import gateway_client


class Away:
    """Lets a ledger reach its Redis, or not."""

    def __init__(self, ledger):
        self._ledger = ledger
        self._there, self._gone = ledger._scripts._redis, gateway_client("unix:///nowhere")

    def __enter__(self):
        self._ledger._scripts._redis = self._gone

    def __exit__(self, *_):
        self._ledger._scripts._redis = self._there


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return Events()


@pytest.fixture
async def asking(worker, clock, told):
    """Ask where a spool stands in for the ledger."""
    return Asking(worker.ledger, worker.spool, ttl_s=60, clock=clock, now=lambda: 1_764_000_000.5, emit=told)


async def test_the_ledger_decides(asking, worker, told):
    """Its verdict is told to the request and to those who count; the id tells its own time."""
    heard = []
    verdict, ledger = await asking.ask(wish(plan_for("V3"), tell=heard.append))
    assert (verdict.kind, ledger) == ("lead", worker.ledger)
    assert heard == [verdict]
    assert [(event.team, event.model, event.verdict) for event in told.of(Admitted)] == [("art", "V3", "lead")]
    assert int(verdict.generation.removeprefix("gen_")[:11], 16) == 1_764_000_000_500


async def test_keys_seen_lately_are_served_without_the_store(asking, worker, told):
    """By the spool, and it is told."""
    await asking.ask(wish(plan_for("V3")))
    with Away(worker.ledger):
        verdict, ledger = await asking.ask(wish(plan_for("V3", prompt="a hen")))
    assert (verdict.kind, ledger) == ("lead", worker.spool)
    assert [(event.team, event.model) for event in told.of(ServedWithoutStore)] == [("art", "V3")]


async def test_a_key_that_was_not_seen_is_not_served(asking, worker, clock):
    """Nor is one that was seen too long ago: it may have been revoked."""
    await asking.ask(wish(plan_for("V3")))
    with Away(worker.ledger):
        with pytest.raises(Unavailable):
            await asking.ask(wish(plan_for("V3"), key_id="k2"))
        clock.now += 301
        with pytest.raises(Unavailable) as caught:
            await asking.ask(wish(plan_for("V3")))
    assert caught.value.code == "redis_unavailable"


@pytest.mark.parametrize("ended", [{"revoked": 1}, {"expires": 1}])
async def test_a_key_that_was_seen_to_have_ended_is_not_served(asking, worker, ended):
    """What is known of its end outlives Redis."""
    await asking.ask(wish(plan_for("V3")))
    await worker.redis.hset("{art}:key:k1", mapping=ended)
    assert (await asking.ask(wish(plan_for("V3"))))[0].kind == "refused"
    with Away(worker.ledger), pytest.raises(Unavailable):
        await asking.ask(wish(plan_for("V3")))


async def test_a_restricted_key_stays_restricted(asking, worker):
    """Its models are remembered with it."""
    await enrol(worker.redis, "art", "k3", models="V3,dall-e-3")
    await asking.ask(wish(plan_for("V3"), key_id="k3"))
    with Away(worker.ledger):
        assert (await asking.ask(wish(plan_for("dall-e-3"), key_id="k3")))[0].kind == "lead"
        with pytest.raises(Forbidden) as caught:
            await asking.ask(wish(plan_for("gpt-image-1"), key_id="k3"))
    assert caught.value.code == "model_not_allowed"


async def test_without_a_spool_nobody_is_served(worker, clock, told):
    """That is the default: 503 as long as Redis is away."""
    asking = Asking(worker.ledger, None, ttl_s=60, clock=clock, now=lambda: 0.0, emit=told)
    await asking.ask(wish(plan_for("V3")))
    with Away(worker.ledger), pytest.raises(Unavailable):
        await asking.ask(wish(plan_for("V3")))


async def test_where_pictures_have_to_make_room_nothing_is_kept(asking):
    """Neither replayed nor shared, until there is room again."""
    asking.caches = False
    assert (await asking.ask(wish(plan_for("V3"))))[0].shared is False
    asking.caches = True
    verdict, _ = await asking.ask(wish(plan_for("V3", prompt="a hen")))
    assert (verdict.shared, verdict.ttl_s) == (True, 60)

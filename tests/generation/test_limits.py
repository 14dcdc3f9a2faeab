"""What bounds the work in flight."""

import asyncio
from types import SimpleNamespace

import pytest

from gateway.errors import InvalidRequest, Moderated, Unavailable, UpstreamFailed
from gateway.generation.limits import Circuits, Slots

BUSY = SimpleNamespace(id="busy", max_in_flight=2)
FREE = SimpleNamespace(id="free", max_in_flight=0)


class Crowd:
    """Calls that hold their slot until they are told to go."""

    def __init__(self, slots):
        self.slots = slots
        self.inside = []
        self.go = asyncio.Event()
        self.tasks = []

    def enter(self, model):
        self.tasks.append(asyncio.ensure_future(self._call(model)))

    async def _call(self, model):
        async with self.slots.slot(model):
            self.inside.append(model.id)
            await self.go.wait()

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)

    async def leave(self):
        self.go.set()
        await asyncio.gather(*self.tasks)


async def test_a_model_is_held_to_its_own_limit_and_others_pass():
    """Two calls of the busy model run; its third waits, and does not hold up another model."""
    crowd = Crowd(Slots(max_in_flight=10, max_queued=10))
    for model in (BUSY, BUSY, BUSY, FREE):
        crowd.enter(model)
    await crowd.settle()

    assert ["busy", "busy", "free"] == crowd.inside
    await crowd.leave()
    assert ["busy", "busy", "free", "busy"] == crowd.inside


async def test_a_worker_is_held_to_its_limit():
    """The fourth call waits until one of three has gone."""
    crowd = Crowd(Slots(max_in_flight=3, max_queued=10))
    for _ in range(4):
        crowd.enter(FREE)
    await crowd.settle()

    assert 3 == len(crowd.inside)
    await crowd.leave()
    assert 4 == len(crowd.inside)


def test_a_full_queue_refuses_at_once():
    """Where calls would have to wait beyond the queue, a request is turned away whole; room given back counts again."""
    slots = Slots(max_in_flight=3, max_queued=2)
    give_back = slots.place(FREE, 4)
    with pytest.raises(Unavailable) as refused:
        slots.place(FREE, 2)
    slots.place(FREE, 1)
    with pytest.raises(Unavailable):
        slots.place(FREE, 1)
    give_back()
    slots.place(FREE, 4)

    error = refused.value
    assert ("server_overloaded", 2.0, True) == (error.code, error.retry_after, error.should_retry)


def test_the_queue_of_a_busy_model_is_no_other_models():
    """A model's own limit makes its calls wait; another model with free slots is let in all the same."""
    slots = Slots(max_in_flight=10, max_queued=3)
    slots.place(BUSY, 5)
    with pytest.raises(Unavailable):
        slots.place(BUSY, 1)
    slots.place(FREE, 8)
    with pytest.raises(Unavailable):
        slots.place(FREE, 1)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def circuits(clock):
    return Circuits(failures=3, open_s=30, clock=clock)


def fail(circuits, error, times=1, model=FREE):
    for _ in range(times):
        with pytest.raises(type(error)), circuits.through(model):
            raise error


def test_opens_after_failures_in_a_row(circuits):
    """After three failures in a row the model is refused at once, with the time left; others are not."""
    fail(circuits, UpstreamFailed("500"), 3)

    with pytest.raises(Unavailable) as refused, circuits.through(FREE):
        pytest.fail("a call went through")
    assert ("model_unavailable", 30) == (refused.value.code, refused.value.retry_after)
    with circuits.through(BUSY):
        pass


def test_a_success_or_an_innocent_refusal_starts_the_count_anew(circuits):
    """What the client did wrong is no failure of the model."""
    for innocent in (Moderated("no"), InvalidRequest("no")):
        fail(circuits, UpstreamFailed("500"), 2)
        fail(circuits, innocent)
    fail(circuits, UpstreamFailed("500"), 2)
    with circuits.through(FREE):
        pass
    fail(circuits, UpstreamFailed("500"), 2)

    assert not circuits.is_open(FREE)


def test_one_probe_at_a_time(circuits, clock):
    """After the pause one call may try; the others wait for how it ends, and its success lets all through."""
    fail(circuits, UpstreamFailed("500"), 3)
    clock.now = 31

    with circuits.through(FREE), pytest.raises(Unavailable), circuits.through(FREE):
        pytest.fail("a second probe went through")
    with circuits.through(FREE), circuits.through(FREE):
        pass


def test_a_failed_probe_opens_again(circuits, clock):
    """A probe that fails costs another pause."""
    fail(circuits, UpstreamFailed("500"), 3)
    clock.now = 31
    fail(circuits, UpstreamFailed("500"))
    clock.now = 60

    with pytest.raises(Unavailable), circuits.through(FREE):
        pytest.fail("a call went through")

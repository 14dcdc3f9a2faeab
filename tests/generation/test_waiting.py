"""Waiting for what another worker makes."""

import asyncio

import pytest

from gateway.generation.waiting import Endings
from gateway.store.journal import PartReport
from gateway.telemetry.events import StoreTroubled
from tests.support.generation import Events, admitted, plan_for, until

LONG_S = 3600


class Wire:
    """Messages that a test sends; a break in the connection where it says so."""

    def __init__(self):
        self.listeners = 0
        self._queue = asyncio.Queue()

    async def messages(self):
        self.listeners += 1
        while True:
            item = await self._queue.get()
            if isinstance(item, Exception):
                raise item
            yield item

    def send(self, item):
        self._queue.put_nowait(item)


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
async def endings_with(worker_with, wire, events):
    """Give a function that makes a watch on the ledger, listening to the wire."""
    worker = await worker_with(keeps=False)
    listening = []

    def make(**options):
        endings = Endings(worker.ledger, wire.messages, emit=events, sleep=hurried, **options)
        listening.append(asyncio.ensure_future(endings.listen()))
        return worker, endings

    yield make
    for task in listening:
        task.cancel()
    await asyncio.wait(listening)


async def hurried(_seconds):
    await asyncio.sleep(0)


async def end(worker, generation, state="failed"):
    """Settle a generation's only part."""
    await worker.ledger.settle("art", generation.id, generation.epoch, [PartReport(1, state)], b"why")


def counted(worker):
    """Count how often the ledger is asked for an ending."""
    ask, asked = worker.ledger.ending, []

    async def ending(team, generation):
        asked.append(generation)
        return await ask(team, generation)

    worker.ledger.ending = ending
    return asked


async def test_a_message_ends_the_wait(endings_with, wire):
    """The other worker's word is enough: no check is waited for."""
    worker, endings = endings_with(check_s=LONG_S)
    generation = await admitted(worker, plan_for())
    waiting = asyncio.ensure_future(endings.of("art", generation.id))
    await end(worker, generation)
    wire.send(f"{{art}}:{generation.id}".encode())
    ending = await waiting
    assert (ending.state, ending.error) == ("failed", "why")


async def test_a_lost_message_costs_a_check(endings_with):
    """Nothing is ever heard; the ledger is asked again and again."""
    worker, endings = endings_with(check_s=0.02)
    generation = await admitted(worker, plan_for())
    asked = counted(worker)
    waiting = asyncio.ensure_future(endings.of("art", generation.id))
    await until(lambda: len(asked) > 2)
    await end(worker, generation)
    assert (await waiting).state == "failed"


async def test_however_many_wait_one_asks(endings_with, wire):
    """A hundred requests for the same generation are one look at the ledger, and one more when it ends."""
    worker, endings = endings_with(check_s=LONG_S)
    generation = await admitted(worker, plan_for())
    asked = counted(worker)
    waiting = [asyncio.ensure_future(endings.of("art", generation.id)) for _ in range(100)]
    await until(lambda: len(asked) == 1)
    await end(worker, generation)
    wire.send(f"{{art}}:{generation.id}".encode())
    assert {ending.state for ending in await asyncio.gather(*waiting)} == {"failed"}
    assert len(asked) == 2
    assert endings._watched == {}


async def test_who_gives_up_disturbs_nobody(endings_with, wire):
    """One of two that wait is cancelled: the other still hears of the end."""
    worker, endings = endings_with(check_s=LONG_S)
    generation = await admitted(worker, plan_for())
    asked = counted(worker)
    leaving, staying = [asyncio.ensure_future(endings.of("art", generation.id)) for _ in range(2)]
    await until(lambda: len(asked) == 1)
    leaving.cancel()
    await end(worker, generation)
    wire.send(f"{{art}}:{generation.id}".encode())
    assert (await staying).state == "failed"


async def test_messages_about_others_wake_nobody(endings_with, wire):
    """What ends elsewhere, and is not waited for here, costs no look."""
    worker, endings = endings_with(check_s=LONG_S)
    generation = await admitted(worker, plan_for())
    asked = counted(worker)
    waiting = asyncio.ensure_future(endings.of("art", generation.id))
    await until(lambda: len(asked) == 1)
    wire.send(b"{art}:gen_of_another")
    wire.send(f"{{maths}}:{generation.id}".encode())
    await until(wire._queue.empty)
    await end(worker, generation)
    wire.send(f"{{art}}:{generation.id}".encode())
    await waiting
    assert len(asked) == 2


async def test_a_broken_connection_is_listened_on_again(endings_with, wire, events):
    """It is told, and messages arrive again after a pause."""
    worker, endings = endings_with(check_s=LONG_S)
    generation = await admitted(worker, plan_for())
    asked = counted(worker)
    waiting = asyncio.ensure_future(endings.of("art", generation.id))
    await until(lambda: len(asked) == 1)
    wire.send(ConnectionResetError("gone"))
    await until(lambda: wire.listeners == 2)
    await end(worker, generation)
    wire.send(f"{{art}}:{generation.id}".encode())
    assert (await waiting).state == "failed"
    assert [event.chore for event in events.of(StoreTroubled)] == ["listen"]


async def test_what_is_no_longer_known_came_to_nothing(endings_with):
    """A record that has gone is void: whoever waits may lead."""
    _, endings = endings_with(check_s=LONG_S)
    assert (await endings.of("art", "gen_of_yesterday")).state == "void"


async def test_a_store_that_is_away_is_waited_for(worker_with, own_valkey):
    """Whoever waits is told when it is back, and not that it failed."""
    worker = await worker_with(own_valkey.url, keeps=False, command_timeout_s=0.1, emit=Events())
    generation = await admitted(worker, plan_for())
    await end(worker, generation)
    own_valkey.pause()
    asked = counted(worker)
    waiting = asyncio.ensure_future(worker.endings.of("art", generation.id))
    await until(lambda: len(asked) == 2)
    own_valkey.resume()
    assert (await waiting).state == "failed"


async def test_with_the_listening_the_watching_ends(worker_with, wire, events):
    """A worker that shuts down asks for nothing any more, though a generation of another's goes on."""
    worker = await worker_with(keeps=False)
    endings = Endings(worker.ledger, wire.messages, check_s=LONG_S, emit=events)
    listening = asyncio.ensure_future(endings.listen())
    generation = await admitted(worker, plan_for())
    asked = counted(worker)
    waiting = asyncio.ensure_future(endings.of("art", generation.id))
    await until(lambda: len(asked) == 1)
    listening.cancel()
    await asyncio.wait([listening, waiting])
    assert waiting.cancelled()
    assert endings._watched == {}

"""How long a request waits, and what is left to its retry."""

import asyncio
from typing import ClassVar

import pytest

from gateway.api.patience import Patience, deadline_s
from gateway.errors import Unavailable
from gateway.generation.admission import Policy
from tests.support.generation import begin, collect, generations_at, plan_for, until

NO_CACHE = Policy(reads=False, anew=True)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, 600),
        ({"x-stainless-read-timeout": "600"}, 595),
        ({"x-stainless-read-timeout": "60.5"}, 55.5),
        ({"x-stainless-read-timeout": "2"}, 1),
        ({"x-stainless-read-timeout": "9999"}, 600),
        ({"x-stainless-read-timeout": "soon"}, 600),
        ({"x-stainless-read-timeout": "0"}, 600),
        ({"x-stainless-read-timeout": "-4"}, 600),
        ({"x-stainless-read-timeout": "nan"}, 600),
        ({"x-stainless-read-timeout": "inf"}, 600),
    ],
)
def test_deadline(said, expected):
    """Five seconds less than the SDK waits, half of a short wait, and never longer than the setting."""
    assert expected == deadline_s(said, 600)


class Waiting:
    """A request whose client stays."""

    scope: ClassVar = {"state": {}}

    async def receive(self):
        await asyncio.Event().wait()


class Leaving:
    """A request whose client leaves when told to."""

    scope: ClassVar = {"state": {}}

    def __init__(self):
        self.leave = asyncio.Event()

    async def receive(self):
        await self.leave.wait()
        return {"type": "http.disconnect"}


class Told:
    """Generations that keep what they are told of a ticket's end, and the ticket."""

    def __init__(self):
        self.is_claimable = self.may_be_claimed = True
        self.task = asyncio.get_running_loop().create_future()
        self.task.set_result("a picture")
        self.answered = []

    def leave(self, _, *, answered):
        self.answered.append(answered)


@pytest.mark.parametrize("leaves", ["amid", "after", "never"])
async def test_who_has_left_amid_the_body_was_not_answered(leaves):
    """Where leaving is what ends the sending; who leaves after it was answered."""
    told, request = Told(), Leaving()
    with Patience(told, told, request, 60) as patience:
        await patience.outcome()
        pieces = patience.sending(b"body")
        assert [await anext(pieces), await anext(pieces)] == [b"body", b""]
        if leaves == "amid":
            request.leave.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
        if leaves == "after":
            request.leave.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert told.answered == [leaves != "amid"]


async def test_a_retry_claims_what_a_closing_worker_handed_over(sandbox, valkey_url):
    """A request that shares with nobody is told to try again, and its retry gets the picture that it has bought."""
    async with generations_at(sandbox, valkey_url) as closing, generations_at(sandbox, valkey_url) as other:
        plan = plan_for("flux-kontext-max", prompt="[[sandbox:task-hold]]")
        ticket = await begin(closing, plan, policy=NO_CACHE)
        with Patience(closing.generations, ticket, Waiting(), 60) as patience:
            await until(lambda: ticket.leads.stages == ["submitted"])
            await closing.generations.hand_over()
            with pytest.raises(Unavailable) as caught:
                await patience.outcome()
        assert caught.value.should_retry
        await closing.quiet()
        retry = await begin(other, plan, policy=NO_CACHE, is_retry=True)
        sandbox.release()
        assert len((await collect(other, retry)).pictures) == 1
        assert (retry.id, sandbox.stats().paid_calls) == (ticket.id, 1)


async def test_a_retry_claims_a_picture_that_could_not_be_read(sandbox, valkey_url, own_valkey):
    """The bytes' store is away when the one who claimed a picture is to get it: the next retry claims it again."""
    options = {"blobs_url": own_valkey.url, "cache_bytes": 0, "command_timeout_s": 0.5}
    async with generations_at(sandbox, valkey_url, **options) as worker:
        plan = plan_for(prompt="[[sandbox:hold]]")
        ticket = await begin(worker, plan, policy=NO_CACHE)
        await until(lambda: sandbox.stats().paid_calls == 1)
        worker.generations.leave(ticket, answered=False)
        await worker.quiet()
        sandbox.release()
        await ticket.task
        own_valkey.pause()
        with pytest.raises(Unavailable) as caught:
            await begin(worker, plan, policy=NO_CACHE, is_retry=True)
        own_valkey.resume()
        assert caught.value.should_retry
        await worker.quiet()
        retry = await begin(worker, plan, policy=NO_CACHE, is_retry=True)
        assert len((await collect(worker, retry)).pictures) == 1
        assert (retry.id, sandbox.stats().paid_calls) == (ticket.id, 1)

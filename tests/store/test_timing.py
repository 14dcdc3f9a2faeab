"""Calls on a store are timed, and their failures named."""

import pytest
from redis.exceptions import BusyLoadingError, OutOfMemoryError, RedisClusterException, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.store.connection import NotDurable
from gateway.store.scripts import Scripts
from gateway.store.timing import REASONS, Timed, reason_of
from gateway.telemetry.events import StoreCalled


class Clock:
    now = 5.0

    def __call__(self):
        self.now += 0.25
        return self.now


async def done(value):
    return value


@pytest.fixture
def heard():
    return []


@pytest.fixture
def timed(heard):
    return Timed(heard.append, clock=Clock())


async def test_a_call_is_timed_and_its_value_returned(timed, heard):
    """From when it was awaited until it was done."""
    assert 7 == await timed.call("admit", done(7))

    assert [StoreCalled("admit", 0.25)] == heard


async def test_bytes_that_move_are_counted(timed, heard):
    """What is sent is known before; what is fetched, after, and nothing is fetched where nothing is."""
    await timed.call("blob_put", done(None), 9)
    await timed.call("blob_get", done(b"12345"))
    await timed.call("blob_get", done(None))

    assert [9, 5, 0] == [event.bytes for event in heard]


async def test_trouble_is_told_and_raised(timed, heard):
    """With the time until it came."""

    async def fails():
        raise RedisTimeoutError("x")

    with pytest.raises(RedisTimeoutError):
        await timed.call("settle", fails())

    assert [StoreCalled("settle", 0.25, "timeout")] == heard


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (RedisTimeoutError(), "timeout"),
        (TimeoutError(), "timeout"),
        (RedisConnectionError(), "connection"),
        (ConnectionResetError(), "connection"),
        (BusyLoadingError(), "connection"),
        (OutOfMemoryError(), "refused"),
        (ResponseError(), "refused"),
        (RedisClusterException(), "cluster"),
        (NotDurable(), "unconfirmed"),
    ],
)
def test_trouble_has_a_name_from_a_closed_set(trouble, reason):
    """For a label."""
    assert reason == reason_of(trouble)
    assert reason in REASONS


async def test_scripts_are_timed_by_their_name(redis_client, timed, heard, tmp_path):
    """Whether they run or fail."""
    (tmp_path / "one.lua").write_text("return 1")
    (tmp_path / "bad.lua").write_text("return redis.error_reply('NO')")
    scripts = Scripts(redis_client, folder=tmp_path, timed=timed)
    await scripts.run("one", "k")
    with pytest.raises(ResponseError):
        await scripts.run("bad", "k")

    assert [("one", ""), ("bad", "refused")] == [(event.call, event.reason) for event in heard]

"""Events are heard at the loop's next turn, all that one turn brought in a row."""

import asyncio

import pytest

from gateway.telemetry.events import LeaseLost
from gateway.telemetry.turns import ByTurn


async def test_events_are_heard_in_their_order_at_the_next_turn():
    """Not at once, not twice, and those of a later turn at the turn after that."""
    heard = []
    emit = ByTurn(heard.append)
    first, second, third = (LeaseLost(name) for name in "abc")

    emit(first)
    emit(second)
    assert heard == []
    await asyncio.sleep(0)
    assert heard == [first, second]

    emit(third)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert heard == [first, second, third]


async def test_a_listener_that_fails_does_not_end_the_hearing():
    """Its fault is the loop's to report; the other events of that turn are heard, and those of the next."""
    heard, faults = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))

    def listener(event):
        if event.generation_id == "a":
            raise ZeroDivisionError
        heard.append(event)

    emit = ByTurn(listener)
    emit(LeaseLost("a"))
    emit(LeaseLost("b"))
    await asyncio.sleep(0)
    emit(LeaseLost("c"))
    await asyncio.sleep(0)

    assert [type(fault) for fault in faults] == [ZeroDivisionError]
    assert heard == [LeaseLost("b"), LeaseLost("c")]


def test_it_needs_a_loop():
    """Who emits outside of one hears of it, instead of being forgotten."""
    with pytest.raises(RuntimeError):
        ByTurn(print)(LeaseLost("a"))

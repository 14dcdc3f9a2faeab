import pytest
from redis.exceptions import ResponseError

from gateway.store.commands import send


async def test_commands_run_where_their_key_is_and_their_replies_come_in_order(any_client):
    """On every kind of Redis; nil is a reply."""
    for number in range(20):
        key = f"n{number}"
        assert await send(any_client, key, [("GET", key), ("INCR", key), ("GET", key)]) == [None, 1, b"1"]


async def test_the_first_error_reply_is_raised(any_client):
    """What stands behind it has run all the same."""
    with pytest.raises(ResponseError, match="wrong number of arguments for 'get'"):
        await send(any_client, "n", [("GET",), ("INCR", "n", "too many"), ("INCR", "n")])

    assert await send(any_client, "n", [("GET", "n")]) == [b"1"]

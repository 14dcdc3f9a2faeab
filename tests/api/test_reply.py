"""What an answer sends, and what it lets go of."""

from contextlib import ExitStack

import pytest

from gateway.api.reply import Reply, StreamedReply


class Gone(Exception):
    """What a server may raise for a client that has left."""


async def pieces(*given):
    for piece in given:
        yield piece


def held_by(told):
    """Make something to hold that tells when it is let go."""
    stack = ExitStack()
    stack.callback(told.append, "let go")
    return stack


async def test_a_whole_body_tells_its_length_and_type():
    """One head, one body, none of which a framework has touched."""
    told = []

    async def send(message):
        told.append(message)

    await Reply(b"four", "text/plain", {"x-one": "1"})(None, None, send)

    assert told == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"x-one", b"1"), (b"content-length", b"4")],
        },
        {"type": "http.response.body", "body": b"four", "more_body": False},
    ]


async def test_what_is_held_is_let_go_after_the_last_piece():
    """Not between two of them."""
    told = []

    async def send(message):
        told.append(message.get("body"))

    await StreamedReply(pieces(b"a", b"b"), "text/plain", {}, held_by(told))(None, None, send)

    assert told == [None, b"a", b"b", b"", "let go"]


@pytest.mark.parametrize("last", [0, 1, 2])
async def test_what_is_held_is_let_go_wherever_the_sending_ends(last):
    """Even before the first piece was asked for."""
    told = []

    async def send(_):
        if len(told) == last:
            raise Gone
        told.append("sent")

    with pytest.raises(Gone):
        await StreamedReply(pieces(b"a", b"b"), "text/plain", {}, held_by(told))(None, None, send)

    assert told == ["sent"] * last + ["let go"]

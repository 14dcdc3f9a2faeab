"""Errors written down by one worker and told by another."""

import pytest

from gateway import errors
from gateway.errors import DeadlineExceeded, GatewayError, InvalidRequest, Unavailable, UpstreamFailed
from gateway.generation.outcome import recall, record
from gateway.generation.pictures import NoPicture

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)]


def seen(error):
    return (
        error.status, error.message, error.type, error.code, error.param, error.retry_after, error.should_retry, str(error)
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_recalled_as_it_was(kind):
    """Status, words and advice are the same for those who waited elsewhere."""
    told = recall(record(kind("it failed")).decode())
    assert type(told) is kind
    assert seen(told) == seen(kind("it failed"))


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("no such size", code="invalid_type", param="size"),
        Unavailable("busy", code="server_overloaded", retry_after=45.0),
        GatewayError("ours", should_retry=False),
        UpstreamFailed("no model", code=None),
        DeadlineExceeded("late"),
    ],
)
def test_what_an_error_says_of_itself_is_kept(error):
    """Codes, parameters and times to come back included."""
    assert seen(recall(record(error).decode())) == seen(error)


def test_a_special_kind_is_recalled_as_what_clients_know():
    """A class of our own inside is, to the client, its class in the tree."""
    told = recall(record(NoPicture("no picture")).decode())
    assert (type(told), told.message) == (UpstreamFailed, "no picture")


@pytest.mark.parametrize("nothing", [None, ""])
def test_where_nothing_was_written_down_it_failed_all_the_same(nothing):
    """No reason is no picture either."""
    assert isinstance(recall(nothing), UpstreamFailed)

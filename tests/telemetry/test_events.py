"""How things end, in words of a closed set."""

import asyncio

import pytest

from gateway.errors import GatewayError, Moderated, OutcomeUnknown, Unauthenticated, UpstreamFailed
from gateway.telemetry.events import fault_in, outcome_of


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "delivered"),
        (Moderated("no"), "moderation_blocked"),
        (OutcomeUnknown("lost"), "outcome_unknown"),
        (UpstreamFailed("no credit", code="upstream_quota"), "upstream_quota"),
        (GatewayError("ours"), "internal_error"),
        (KeyError("a prompt"), "internal_error"),
        (asyncio.CancelledError("a prompt"), "cancelled"),
    ],
)
def test_an_end_has_a_name_that_quotes_nothing(error, outcome):
    """Errors that clients get are named by their code, all others by two words of our own."""
    assert outcome_of(error) == outcome


def test_an_error_without_a_code_still_has_a_name():
    """A code may be null on the wire, but not in a label."""
    error = Unauthenticated("no key")
    error.code = None
    assert outcome_of(error) == "error"


def test_only_faults_of_our_own_deserve_a_traceback():
    """What a client is meant to get is no fault, and neither is the end of the process."""
    fault = KeyError("x")
    assert fault_in(fault) is fault
    assert fault_in(None) is fault_in(Moderated("no")) is fault_in(asyncio.CancelledError()) is None

"""The table of failures: whether a call was sent, and whether it may have been accepted and charged."""

import enum
import socket
import ssl
from typing import Literal

import httpx

from gateway import statuses

Reason = Literal[
    "connect", "connect_refused", "dns", "tls", "connect_timeout", "pool_timeout",
    "timeout", "reset", "protocol", "half_body", "too_large", "unexpected",
]  # fmt: skip


class Verdict(enum.StrEnum):
    """What is known of a billable call that brought no usable answer."""

    NOT_SENT = "not_sent"  # not a byte left: may be sent again
    REFUSED = "refused"  # turned away before acceptance: may be sent again
    UNANSWERED = "unanswered"  # may have been accepted and charged: must never be sent again


class CallFailed(Exception):
    """A call that brought no usable answer; `reason` is from a closed set and fit for a metric's label."""

    def __init__(self, verdict: Verdict, reason: Reason) -> None:
        super().__init__(f"upstream call failed: {reason} ({verdict})")
        self.verdict = verdict
        self.reason = reason


# Most specific first. What is not listed counts as unanswered: a doubt must never buy twice.
_EXCEPTIONS: tuple[tuple[type[Exception], Verdict, Reason], ...] = (
    (httpx.ConnectTimeout, Verdict.NOT_SENT, "connect_timeout"),
    (httpx.PoolTimeout, Verdict.NOT_SENT, "pool_timeout"),
    (httpx.ConnectError, Verdict.NOT_SENT, "connect"),
    (httpx.TimeoutException, Verdict.UNANSWERED, "timeout"),
    (httpx.NetworkError, Verdict.UNANSWERED, "reset"),
    (httpx.ProtocolError, Verdict.UNANSWERED, "protocol"),
)

# Why a connection failed, told by what lies beneath the `httpx.ConnectError`.
_CONNECT_CAUSES: tuple[tuple[type[Exception], Reason], ...] = (
    (socket.gaierror, "dns"),
    (ssl.SSLError, "tls"),
    (ConnectionRefusedError, "connect_refused"),
)


def of_exception(exc: BaseException) -> tuple[Verdict, Reason]:
    """Judge a call that raised `exc`; anything unknown is unanswered."""
    for kind, verdict, reason in _EXCEPTIONS:
        if isinstance(exc, kind):
            return verdict, _connect_reason(exc) if reason == "connect" else reason
    return Verdict.UNANSWERED, "unexpected"


def of_status(status: int) -> Verdict | None:
    """Judge the HTTP status of a billable call; None where it is an answer, as 500 is too."""
    if status in statuses.REFUSED:
        return Verdict.REFUSED
    return Verdict.UNANSWERED if status in statuses.UNANSWERED else None


def caused_by(exc: BaseException, kind: type[BaseException]) -> bool:
    """Tell whether `exc`, or any exception that it was explicitly raised from, is a `kind`."""
    link: BaseException | None = exc
    while link is not None:
        if isinstance(link, kind):
            return True
        link = link.__cause__
    return False


def _connect_reason(exc: BaseException) -> Reason:
    return next((reason for kind, reason in _CONNECT_CAUSES if caused_by(exc, kind)), "connect")

"""What happens, as typed events; logs and metrics listen, nothing else needs to know them."""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.errors import GatewayError


class Event(msgspec.Struct, frozen=True):
    """Something that happened."""


class RequestFinished(Event, frozen=True):
    """A request was answered, or its client left before."""

    request_id: str
    method: str
    route: str
    status: int
    seconds: float
    facts: dict[str, Any]
    error: BaseException | None = None


class GenerationFinished(Event, frozen=True):
    """A generation ended; `outcome` is "delivered" or an error code."""

    generation_id: str
    team: str
    key_id: str
    model: str
    outcome: str
    asked: int
    delivered: int
    cost_micro_usd: int | None
    seconds: float


class PartFailed(Event, frozen=True):
    """One upstream call of a generation brought nothing; `outcome` is an error code, `error` a fault of our own."""

    model: str
    outcome: str
    error: BaseException | None = None


class SurplusDropped(Event, frozen=True):
    """Upstream delivered, and most likely charged, `images` more than were asked for."""

    model: str
    images: int


class Admitted(Event, frozen=True):
    """A request was decided about; `verdict` is the ledger's word, `limit` the one that denied it."""

    team: str
    model: str
    verdict: str
    limit: str = ""


class BookingDelayed(Event, frozen=True):
    """The store did not take what became of a generation; it is told again until it does."""

    generation_id: str


class GenerationTaken(Event, frozen=True):
    """A generation whose worker is gone is collected by this one."""

    generation_id: str
    team: str
    model: str
    epoch: int


class GenerationExpired(Event, frozen=True):
    """A generation whose worker is gone has ended: `void` where nothing was sent, `unknown` where something was."""

    generation_id: str
    team: str
    model: str
    state: str


class ServedWithoutStore(Event, frozen=True):
    """A request was served while Redis is away: without quotas, to be booked later."""

    team: str
    model: str


class CachingChanged(Event, frozen=True):
    """Caching has stopped, because the shared Redis is nearly full, or goes on again."""

    caches: bool


class LeaseLost(Event, frozen=True):
    """A generation that is made here was taken over by another worker, or has expired."""

    generation_id: str


class StoreTroubled(Event, frozen=True):
    """A chore on the store failed and is tried again; `chore` is from a closed set."""

    chore: str
    error: BaseException


class UpstreamAnswered(Event, frozen=True):
    """Upstream answered a call, whatever the status."""

    model: str
    status: int
    billable: bool
    seconds: float


class UpstreamUnanswered(Event, frozen=True):
    """A billable call brought no answer; `verdict` says whether it may have been accepted."""

    model: str
    verdict: str
    reason: str


class UpstreamRetried(Event, frozen=True):
    """A billable call that upstream had not accepted is made again."""

    model: str
    reason: str


class PollFailed(Event, frozen=True):
    """A poll brought no answer and is repeated."""

    model: str
    reason: str


class DownloadRetried(Event, frozen=True):
    """A picture could not be fetched yet; `status` where the reason is "status"."""

    reason: str
    status: int | None = None


class DownloadFinished(Event, frozen=True):
    """A picture was fetched ("ok"), or given up for the reason named; `status` where that is "status"."""

    reason: str
    seconds: float
    status: int | None = None


class PictureLost(Event, frozen=True):
    """A picture that upstream had made could not be delivered; `error` is a fault of our own."""

    outcome: str
    error: BaseException | None = None


Emit = Callable[[Event], None]


def outcome_of(error: BaseException | None) -> str:
    """Name how something ended, in a word from a closed set."""
    if error is None:
        return "delivered"
    if isinstance(error, GatewayError):
        return error.code or "error"
    return "internal_error" if isinstance(error, Exception) else "cancelled"


def fault_in(error: BaseException | None) -> Exception | None:
    """Tell a fault of our own, worth a traceback, from an answer that a client is meant to get."""
    return error if isinstance(error, Exception) and not isinstance(error, GatewayError) else None

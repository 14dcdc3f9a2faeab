"""What happens, as typed events; logs and metrics listen, nothing else needs to know them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class RequestFinished(Event):
    """A request was answered, or its client left before."""

    request_id: str
    method: str
    route: str
    status: int
    seconds: float
    facts: dict[str, Any]
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class GenerationFinished(Event):
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


@dataclass(frozen=True, slots=True)
class PartFailed(Event):
    """One upstream call of a generation brought nothing; `outcome` is an error code, `error` a fault of our own."""

    model: str
    outcome: str
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class SurplusDropped(Event):
    """Upstream delivered, and most likely charged, `images` more than were asked for."""

    model: str
    images: int


@dataclass(frozen=True, slots=True)
class Admitted(Event):
    """A request was decided about; `verdict` is the ledger's word, `limit` the one that denied it."""

    team: str
    model: str
    verdict: str
    limit: str = ""


@dataclass(frozen=True, slots=True)
class BookingDelayed(Event):
    """The store did not take what became of a generation; it is told again until it does."""

    generation_id: str


@dataclass(frozen=True, slots=True)
class GenerationTaken(Event):
    """A generation whose worker is gone is collected by this one."""

    generation_id: str
    team: str
    model: str
    epoch: int


@dataclass(frozen=True, slots=True)
class GenerationExpired(Event):
    """A generation whose worker is gone has ended: `void` where nothing was sent, `unknown` where something was."""

    generation_id: str
    team: str
    model: str
    state: str


@dataclass(frozen=True, slots=True)
class LeaseLost(Event):
    """A generation that is made here was taken over by another worker, or has expired."""

    generation_id: str


@dataclass(frozen=True, slots=True)
class StoreTroubled(Event):
    """A chore on the store failed and is tried again; `chore` is from a closed set."""

    chore: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class UpstreamAnswered(Event):
    """Upstream answered a call, whatever the status."""

    model: str
    status: int
    billable: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class UpstreamUnanswered(Event):
    """A billable call brought no answer; `verdict` says whether it may have been accepted."""

    model: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class UpstreamRetried(Event):
    """A billable call that upstream had not accepted is made again."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class PollFailed(Event):
    """A poll brought no answer and is repeated."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class DownloadRetried(Event):
    """A picture could not be fetched yet; `status` where the reason is "status"."""

    reason: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class DownloadFinished(Event):
    """A picture was fetched ("ok"), or given up for the reason named; `status` where that is "status"."""

    reason: str
    seconds: float
    status: int | None = None


@dataclass(frozen=True, slots=True)
class PictureLost(Event):
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

"""What happens, as typed events; logs and metrics listen, nothing else needs to know them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
    """A generation ended; `outcome` is "delivered" or an error code, `error` a fault of our own."""

    generation_id: str
    team: str
    key_id: str
    model: str
    outcome: str
    asked: int
    delivered: int
    cost_micro_usd: int | None
    seconds: float
    error: BaseException | None = None


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
    """A picture could not be fetched yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class DownloadFinished(Event):
    """A picture was fetched ("ok"), or given up for the reason named."""

    reason: str
    seconds: float


Emit = Callable[[Event], None]

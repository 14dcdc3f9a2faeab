"""What happens, as typed events; logs and metrics listen, nothing else needs to know them."""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.errors import GatewayError
from gateway.telemetry.phases import Lap

_OUTCOMES_BY_STATUS = {
    400: "invalid_request",
    401: "no_key",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_too_large",
    415: "unsupported_media_type",
    431: "headers_too_large",
    499: "client_left",
    500: "internal_error",
}


class Event(msgspec.Struct, frozen=True):
    """Something that happened."""


class RequestFinished(Event, frozen=True):
    """A request was answered, or its client left before.

    Of the `facts` that its handlers note, `error_code` and `error_status` tell of an error, which may have come in a
    stream that had begun with 200, and `phases` is a list of Phases: its own, then those of the generation that it led.
    """

    request_id: str
    method: str
    route: str
    status: int
    seconds: float
    facts: dict[str, Any]
    error: BaseException | None = None

    @property
    def outcome(self) -> str:
        """How it ended: "ok", or the code of an error, in a word from a closed set."""
        code: str | None = self.facts.get("error_code")
        if code is not None:
            return code
        if self.error is not None:  # after the head, which said that all was well
            return "internal_error"
        return "ok" if self.status < 400 else _OUTCOMES_BY_STATUS.get(self.status, "error")

    @property
    def own_laps(self) -> list[Lap]:
        """What it spent its time on beside the generation that it led."""
        return [lap for phases in self.facts.get("phases", ())[:1] for lap in phases.laps]

    @property
    def laps(self) -> list[Lap]:
        """What it, and the generation that it led, spent its time on."""
        return [lap for phases in self.facts.get("phases", ()) for lap in phases.laps]


class GenerationStarted(Event, frozen=True):
    """A generation is being made here; GenerationFinished follows."""

    model: str


class GenerationFinished(Event, frozen=True):
    """A generation ended; `outcome` is "delivered" or an error code.

    What was delivered, and its cost, is of the whole generation once it is settled, whoever booked it; before, of what
    was made here. The cost is None as long as nothing is settled, and where the model has no price; tokens are None
    where upstream counts none. It is `adopted` where another worker began it, and `repeated` where another settled it.
    """

    generation_id: str
    team: str
    key_id: str
    model: str
    outcome: str
    asked: int
    delivered: int
    cost_micro_usd: int | None
    seconds: float
    laps: list[Lap] = []
    input_tokens: int | None = None
    output_tokens: int | None = None
    adopted: bool = False
    repeated: bool = False


class GenerationBooked(Event, frozen=True):
    """The books moved by so many images and so much cost: once for each end, and for a picture that came after one.

    Whoever moved them tells it: who made the generation, who found it without a worker, or who booked what was made
    while Redis was away. What an operator resolves is not told.
    """

    team: str
    model: str
    images: int
    cost_micro_usd: int


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
    seconds: float = 0.0


class BookingDelayed(Event, frozen=True):
    """The store did not take what became of a generation; it is told again until it does."""

    generation_id: str


class GenerationTaken(Event, frozen=True):
    """A generation whose worker is gone is collected by this one; `unknown_parts` of it were lost with that worker."""

    generation_id: str
    team: str
    model: str
    epoch: int
    unknown_parts: int = 0


class GenerationExpired(Event, frozen=True):
    """A generation whose worker is gone has ended: `void` where nothing was sent, `unknown` where something was.

    `unknown_parts` were lost with that worker, in whatever state it ended.
    """

    generation_id: str
    team: str
    model: str
    state: str
    unknown_parts: int = 0


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


class StoreCalled(Event, frozen=True):
    """Redis was asked by a script, or for bytes; `reason` says why it failed, "" where it did not.

    `call` and `reason` are from closed sets; `bytes` is how much of a picture moved.
    """

    call: str
    seconds: float
    reason: str = ""
    bytes: int = 0


class CircuitChanged(Event, frozen=True):
    """A worker has begun to leave a failing model alone, or a call has succeeded again."""

    model: str
    is_open: bool


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


class TaskCollected(Event, frozen=True):
    """A task brought its pictures, which had been there for `lag_seconds` at most: since the look before."""

    model: str
    polls: int
    lag_seconds: float


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

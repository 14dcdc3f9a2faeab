"""What becomes a line of the log: one for each request and each generation, and one for each thing that went wrong."""

import logging
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisClusterException, RedisError

from gateway.errors import Unavailable
from gateway.telemetry.events import (
    BookingDelayed,
    CachingChanged,
    CircuitChanged,
    DownloadFinished,
    DownloadRetried,
    Event,
    GenerationExpired,
    GenerationFinished,
    GenerationTaken,
    LeaseLost,
    PartFailed,
    PictureLost,
    PollFailed,
    RequestFinished,
    ServedWithoutStore,
    StoreCalled,
    StoreTroubled,
    SurplusDropped,
    UpstreamAnswered,
    UpstreamRetried,
    UpstreamUnanswered,
)
from gateway.telemetry.phases import longest_ms, milliseconds

_EVENTS: dict[type[Event], tuple[int, str]] = {
    BookingDelayed: (logging.WARNING, "booking.delayed"),
    CachingChanged: (logging.WARNING, "caching.changed"),
    CircuitChanged: (logging.WARNING, "circuit.changed"),
    DownloadRetried: (logging.WARNING, "download.retried"),
    GenerationExpired: (logging.WARNING, "generation.expired"),
    GenerationTaken: (logging.WARNING, "generation.taken"),
    LeaseLost: (logging.WARNING, "lease.lost"),
    PartFailed: (logging.WARNING, "part.failed"),
    PictureLost: (logging.ERROR, "picture.lost"),
    PollFailed: (logging.WARNING, "poll.failed"),
    ServedWithoutStore: (logging.INFO, "request.unbooked"),
    SurplusDropped: (logging.WARNING, "surplus.dropped"),
    UpstreamAnswered: (logging.DEBUG, "upstream.answered"),
    UpstreamRetried: (logging.WARNING, "upstream.retried"),
    UpstreamUnanswered: (logging.ERROR, "upstream.unanswered"),
}
_UNTOLD_FACTS = ("error_code", "error_status")
_REDIS_TROUBLE = (RedisError, RedisClusterException, OSError)
_ALARMING = {"upstream_auth", "upstream_quota"}


class LogListener:
    """Writes events down as log lines. A line that cannot be written is lost: no picture may be lost with it."""

    def __init__(self, logger: Any = None) -> None:
        self._log = (logger or structlog.get_logger()).bind()  # once, not for each line
        self._away: set[str] = set()  # of the two servers, state and blobs
        self._writers: dict[type[Event], Callable[[Any], None]] = {
            **dict.fromkeys(_EVENTS, self._event),
            DownloadFinished: self._download,
            GenerationFinished: self._generation,
            RequestFinished: self._request,
            StoreCalled: self._call,
            StoreTroubled: self._chore,
        }

    def __call__(self, event: Event) -> None:
        """Log an event, if it is one that is logged."""
        write = self._writers.get(type(event))
        if write is not None:
            try:  # noqa: SIM105  `suppress` costs more than most events
                write(event)
            except (OSError, ValueError):  # a full disk, a closed stream
                pass

    def _event(self, event: Event) -> None:
        level, name = _EVENTS[type(event)]
        if getattr(event, "error", None) is not None:
            level = logging.ERROR
        if self._log.is_enabled_for(level):
            facts = msgspec.structs.asdict(event)
            facts["exc_info"] = facts.pop("error", None)
            self._log.log(level, name, **facts)

    def _download(self, event: DownloadFinished) -> None:
        if event.reason != "ok":
            self._log.error("download.failed", reason=event.reason, status=event.status, ms=milliseconds(event.seconds))

    def _call(self, event: StoreCalled) -> None:
        if event.reason:
            self._store_failed(event.call, event.reason)
        elif self._away and _server_of(event.call) in self._away:
            self._away.remove(_server_of(event.call))
            self._log.info("store.answered", call=event.call)

    def _chore(self, event: StoreTroubled) -> None:
        trouble = event.error.__cause__ if isinstance(event.error, Unavailable) else event.error
        if isinstance(trouble, _REDIS_TROUBLE):
            self._store_failed(event.chore, "")
        else:
            self._log.error("chore.failed", chore=event.chore, exc_info=event.error)

    def _store_failed(self, call: str, reason: str) -> None:
        """Tell when a server goes away, and no more until it is back: between the two, every call and chore fails."""
        server = _server_of(call)
        level = logging.DEBUG if server in self._away else logging.WARNING
        self._away.add(server)
        self._log.log(level, "store.failed", call=call, reason=reason)

    def _request(self, event: RequestFinished) -> None:
        line = {
            "request_id": event.request_id,
            "method": event.method,
            "route": event.route,
            "status": event.status,
            "outcome": event.outcome,
            "ms": milliseconds(event.seconds),
            **event.facts,
            "exc_info": event.error,
        }
        if "phases" in line:
            line["phases"] = longest_ms(event.laps)
        for fact in _UNTOLD_FACTS:
            line.pop(fact, None)
        level = logging.ERROR if event.status >= 500 or event.error is not None else logging.INFO
        self._log.log(level, "request.finished", **line)

    def _generation(self, event: GenerationFinished) -> None:
        level = logging.INFO if event.outcome == "delivered" else logging.WARNING
        self._log.log(
            logging.ERROR if event.outcome in _ALARMING else level,
            "generation.finished",
            generation_id=event.generation_id,
            team=event.team,
            key_id=event.key_id,
            model=event.model,
            outcome=event.outcome,
            asked=event.asked,
            delivered=event.delivered,
            cost_usd=None if event.cost_micro_usd is None else event.cost_micro_usd / 1_000_000,
            ms=milliseconds(event.seconds),
            phases=longest_ms(event.laps),
        )


def _server_of(call: str) -> str:
    """Tell which server a call or a chore is for; the only chore that asks both looks after the blobs."""
    return "blobs" if call.startswith("blob") or call == "measure" else "state"

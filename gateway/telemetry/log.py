"""Structured logs: constant `noun.verb` events; never a prompt, a key, a signed URL or an image."""

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partialmethod
from types import MappingProxyType
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisClusterException, RedisError
from structlog.typing import EventDict, Processor

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
_TAGS: ContextVar[Mapping[str, str]] = ContextVar("tags", default=MappingProxyType({}))
_UNTOLD_FACTS = ("error_code", "error_status")
_METHODS = {level: logging.getLevelName(level).lower() for level in logging.getLevelNamesMapping().values()}
_ENCODER = msgspec.json.Encoder(enc_hook=str)
_REDIS_TROUBLE = (RedisError, RedisClusterException, OSError)
_ALARMING = {"upstream_auth", "upstream_quota"}


def configure(*, level: str, format: str) -> None:  # noqa: A002  the setting's own name
    """Set up the process's logs on standard error; `format` is json, pretty, or auto (pretty on a terminal)."""
    pretty = format == "pretty" or (format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [_add_context, _describe_exception]
    as_text = structlog.dev.ConsoleRenderer(timestamp_key="time")
    structlog.configure(
        processors=[*shared, as_text if pretty else _as_json],
        wrapper_class=_logger_from(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr)
        if pretty
        else structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    strip_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    foreign = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _first_line],
        processors=[strip_meta, as_text if pretty else structlog.processors.JSONRenderer(_json)],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(foreign)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)  # httpx names URLs at INFO
    logging.captureWarnings(capture=True)


def _logger_from(least: int) -> type[structlog.BoundLoggerBase]:
    """Make the class of loggers that write lines of a level and above.

    structlog's own copies a line's facts four times on their way, which costs as much as all that is done with them.
    """

    class Logger(structlog.BoundLoggerBase):
        def is_enabled_for(self, level: int) -> bool:
            return level >= least

        def log(self, level: int, name: str, **facts: Any) -> None:
            if not self.is_enabled_for(level):
                return
            event: Any = facts
            event["event"] = name
            method = _METHODS[level]
            for process in self._processors:
                event = process(self._logger, method, event)
            self._logger.msg(event)

        info = partialmethod(log, logging.INFO)
        warning = partialmethod(log, logging.WARNING)
        error = partialmethod(log, logging.ERROR)

    return Logger


def _as_json(_logger: Any, _method: str, event: EventDict) -> bytes:
    return _ENCODER.encode(event)


def _json(event: EventDict, **_: Any) -> str:
    return _ENCODER.encode(event).decode()


def tag(**facts: str) -> None:
    """Add facts to all that the present task, and those that it starts from now on, will log."""
    _TAGS.set({**_TAGS.get(), **facts})


def _add_context(_logger: Any, method: str, event: EventDict) -> EventDict:
    """Begin with when, how grave and what; add what the task was tagged with.

    structlog's own way to the tags looks through everything that is in the task's context.
    """
    return {"time": datetime.now(UTC), "level": method, "event": None, **_TAGS.get(), **event}


def _describe_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Tell an exception's types and places, but not its words, which may quote the prompt, a key or a URL."""
    info = event.pop("exc_info", None)
    if info is None:
        return event
    error = info[1] if isinstance(info, tuple) else sys.exception() if info is True else info
    lines: list[str] = []
    while isinstance(error, BaseException):
        reason = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        lines.append(f"{type(error).__module__}.{type(error).__qualname__}{reason}")
        for frame, line in traceback.walk_tb(error.__traceback__):
            lines.append(f"  {frame.f_code.co_filename}:{line} in {frame.f_code.co_qualname}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if lines:
        event["exception"] = "\n".join(lines)
    return event


def _first_line(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Cut what a library says to its first line; asyncio puts the words of exceptions on the next ones."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


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

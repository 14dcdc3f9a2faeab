"""Structured logs: constant `noun.verb` events; never a prompt, a key, a signed URL or an image."""

import logging
import sys
from dataclasses import asdict
from typing import Any

import structlog

from gateway.telemetry.events import (
    DownloadFinished,
    DownloadRetried,
    Event,
    GenerationFinished,
    PollFailed,
    RequestFinished,
    UpstreamRetried,
    UpstreamUnanswered,
)

_EVENTS: dict[type[Event], tuple[int, str]] = {
    DownloadRetried: (logging.WARNING, "download.retried"),
    PollFailed: (logging.WARNING, "poll.failed"),
    UpstreamRetried: (logging.WARNING, "upstream.retried"),
    UpstreamUnanswered: (logging.ERROR, "upstream.unanswered"),
}


def configure(*, level: str, format: str) -> None:  # noqa: A002  the setting's own name
    """Set up the process's logs on standard error; `format` is json, pretty, or auto (pretty on a terminal)."""
    pretty = format == "pretty" or (format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    render = (
        [structlog.dev.ConsoleRenderer()]
        if pretty
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    foreign = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_strip_meta, *render])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(foreign)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)  # httpx names URLs at INFO


_strip_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta


class LogListener:
    """Writes events down as log lines."""

    def __init__(self, logger: Any = None) -> None:
        self._log = logger or structlog.get_logger()

    def __call__(self, event: Event) -> None:
        """Log an event, if it is one that is logged."""
        if isinstance(event, RequestFinished):
            self._request(event)
        elif isinstance(event, GenerationFinished):
            self._generation(event)
        elif isinstance(event, DownloadFinished):
            if event.reason != "ok":
                self._log.error("download.failed", reason=event.reason, ms=_ms(event.seconds))
        elif type(event) in _EVENTS:
            level, name = _EVENTS[type(event)]
            self._log.log(level, name, **asdict(event))

    def _request(self, event: RequestFinished) -> None:
        level = logging.ERROR if event.status >= 500 else logging.INFO
        self._log.log(
            level,
            "request.finished",
            request_id=event.request_id,
            method=event.method,
            route=event.route,
            status=event.status,
            ms=_ms(event.seconds),
            **event.facts,
            **({"exc_info": event.error} if event.error else {}),
        )

    def _generation(self, event: GenerationFinished) -> None:
        level = logging.INFO if event.outcome == "delivered" else logging.WARNING
        self._log.log(
            logging.ERROR if event.error or event.outcome in {"upstream_auth", "upstream_quota"} else level,
            "generation.finished",
            generation_id=event.generation_id,
            team=event.team,
            key_id=event.key_id,
            model=event.model,
            outcome=event.outcome,
            asked=event.asked,
            delivered=event.delivered,
            cost_usd=None if event.cost_micro_usd is None else event.cost_micro_usd / 1_000_000,
            ms=_ms(event.seconds),
            **({"exc_info": event.error} if event.error else {}),
        )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)

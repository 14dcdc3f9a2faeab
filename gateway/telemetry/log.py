"""Structured logs: constant `noun.verb` events; never a prompt, a key, a signed URL or an image."""

import logging
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partialmethod
from types import MappingProxyType
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, Processor

_TAGS: ContextVar[Mapping[str, str]] = ContextVar("tags", default=MappingProxyType({}))
_METHODS = {level: logging.getLevelName(level).lower() for level in logging.getLevelNamesMapping().values()}
_ENCODER = msgspec.json.Encoder(enc_hook=str)


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
        processors=[strip_meta, as_text if pretty else _as_json_text],
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


def _as_json_text(logger: Any, method: str, event: EventDict) -> str:
    return _as_json(logger, method, event).decode()


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

"""Whether to trace; without being asked to, nothing of OpenTelemetry is imported."""

from collections.abc import Mapping
from typing import Any, Protocol

import structlog
from litestar.types import ASGIApp

from gateway.telemetry.events import Event

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Tracing(Protocol):
    """A listener on events that makes spans of them, and the wrapper that gives each request its trace."""

    def __call__(self, event: Event) -> None:
        """Make spans of an event, if it is one that tells of phases."""
        ...

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Give each request a trace: its client's, where that sent a `traceparent`."""
        ...

    async def aclose(self) -> None:
        """Send what has not been sent yet."""
        ...


def begin(environ: Mapping[str, str], logger: Any = None) -> Tracing | None:
    """Begin to trace where OpenTelemetry's own variables name a collector, and the extra `otel` is installed."""
    if not is_wanted(environ):
        return None
    try:
        from gateway.telemetry import otel  # noqa: PLC0415  an import that many do without
    except ImportError:
        (logger or structlog.get_logger()).warning("traces.unavailable", reason="the extra 'otel' is not installed")
        return None
    return otel.begin(environ)


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Tell whether a collector is named, and traces are not switched off."""
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not is_off and any(environ.get(name) for name in _ENDPOINTS)

"""Traces by OpenTelemetry: a span for each request and each generation, and in them one for each phase.

Spans are made of events when they are over. They hold words from closed sets and our own ids, never a client's text.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway import __version__
from gateway.telemetry.events import Event, GenerationFinished, RequestFinished
from gateway.telemetry.log import tag
from gateway.telemetry.phases import Lap

_FACTS = ("team", "key_id", "model", "generation_id", "cache", "images", "cost_usd")
_CONTEXT = TraceContextTextMapPropagator()
_CARRIED = {b"traceparent", b"tracestate"}
_NS = 1_000_000_000


def begin(environ: Mapping[str, str]) -> "OtelTracing":
    """Send spans to the collector that the OTEL_* variables of this process name."""
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {"service.version": __version__} | ({} if named else {"service.name": "image-gateway"})
    provider = TracerProvider(resource=Resource.create(own))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OtelTracing(provider)


class OtelTracing:
    """Makes spans. `clock` is the monotonic one of laps, in seconds; `now_ns` gives unix nanoseconds."""

    def __init__(
        self,
        provider: TracerProvider,
        *,
        clock: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("gateway", __version__)
        self._clock = clock
        self._now_ns = now_ns

    def __call__(self, event: Event) -> None:
        """Make spans of a request, or of a generation, that has ended."""
        if isinstance(event, RequestFinished):
            self._request(event)
        elif isinstance(event, GenerationFinished):
            self._generation(event)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Give each request a span, and all that is logged within it the trace's id."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            carried = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CARRIED}
            with self._tracer.start_as_current_span(
                scope["method"],
                context=_CONTEXT.extract(carried),
                kind=SpanKind.SERVER,
                record_exception=False,  # its words may quote the prompt
                set_status_on_exception=False,
            ) as span:
                tag(trace_id=trace.format_trace_id(span.get_span_context().trace_id))
                await app(scope, receive, send)

        return cast("ASGIApp", traced)

    async def aclose(self) -> None:
        """Send what has not been sent yet."""
        await asyncio.to_thread(self._provider.shutdown)

    def _request(self, event: RequestFinished) -> None:
        span = trace.get_current_span()
        span.update_name(f"{event.method} {event.route}")
        span.set_attributes(
            {
                "http.request.method": event.method,
                "http.route": event.route,
                "http.response.status_code": event.status,
                "gateway.request_id": event.request_id,
                "gateway.outcome": event.outcome,
                **{f"gateway.{name}": event.facts[name] for name in _FACTS if event.facts.get(name) is not None},
            }
        )
        if event.facts.get("error_status", event.status) >= 500:
            span.set_status(StatusCode.ERROR)
        self._phases(span, event.own_laps)

    def _generation(self, event: GenerationFinished) -> None:
        ended = self._now_ns()
        span = self._tracer.start_span("generation", start_time=ended - int(event.seconds * _NS))
        told: dict[str, Any] = {
            "generation_id": event.generation_id,
            "team": event.team,
            "key_id": event.key_id,
            "model": event.model,
            "outcome": event.outcome,
            "images": event.delivered,
            "adopted": event.adopted,
        }
        span.set_attributes({f"gateway.{name}": value for name, value in told.items()})
        if event.outcome != "delivered":
            span.set_status(StatusCode.ERROR)
        self._phases(span, event.laps)
        span.end(ended)

    def _phases(self, parent: Span, laps: Iterable[Lap]) -> None:
        context = trace.set_span_in_context(parent)
        origin_ns = self._now_ns() - int(self._clock() * _NS)
        for phase, began, ended in laps:
            span = self._tracer.start_span(phase, context=context, start_time=origin_ns + int(began * _NS))
            span.end(origin_ns + int(ended * _NS))

"""Every metric on one screen. Labels come from closed sets only: routes, configured models, known outcomes."""

from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway import __version__
from gateway.telemetry.events import (
    DownloadFinished,
    Event,
    GenerationFinished,
    PartFailed,
    PictureLost,
    PollFailed,
    RequestFinished,
    SurplusDropped,
    UpstreamAnswered,
    UpstreamRetried,
    UpstreamUnanswered,
)

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_REJECTIONS = ("upstream_auth", "upstream_quota")


class Metrics:
    """The metrics of one process, fed by events."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        # `labels` converts, locks and looks up; with closed sets of labels a cache does the same in one step.
        def counter(name: str, what: str, *labels: str) -> Callable[..., Counter]:
            return cache(Counter(name, what, labels, registry=registry).labels)

        def seconds(name: str, what: str, *labels: str) -> Callable[..., Histogram]:
            return cache(Histogram(name, what, labels, buckets=_SECONDS, registry=registry).labels)

        self._requests = counter("gateway_requests_total", "Requests answered.", "route", "status")
        self._request_seconds = seconds("gateway_request_seconds", "Time to answer a request.", "route")
        self._generations = counter("gateway_generations_total", "Generations ended, by outcome.", "model", "outcome")
        self._images = counter("gateway_images_total", "Images delivered.", "model")
        self._cost = counter("gateway_cost_usd_total", "Cost of the images delivered.", "model")
        self._upstream = counter("gateway_upstream_replies_total", "Replies of upstream, by status.", "model", "status")
        self._upstream_seconds = seconds("gateway_upstream_seconds", "Time of billable calls.", "model")
        self._unanswered = counter(
            "gateway_upstream_unanswered_total",
            "Billable calls without an answer; verdict unanswered may have been charged.",
            "model",
            "verdict",
            "reason",
        )
        self._retries = counter(
            "gateway_upstream_retries_total", "Billable calls made again, not having been accepted.", "model"
        )
        self._poll_failures = counter("gateway_poll_failures_total", "Polls repeated for want of an answer.", "model")
        self._downloads = counter("gateway_downloads_total", "Pictures fetched (ok) or given up, by reason.", "reason")
        self._lost = counter(
            "gateway_pictures_lost_total", "Pictures that upstream made, but that could not be delivered.", "outcome"
        )
        self._surplus = counter("gateway_surplus_images_total", "Images made beyond what was asked for.", "model")
        self._rejections = counter(
            "gateway_upstream_key_rejections_total",
            "Upstream calls that failed because upstream refuses our own key or account: alert on any.",
            "code",
        )
        for code in _REJECTIONS:
            self._rejections(code)  # an increase from nothing would go unseen
        Gauge("gateway_build_info", "1, labelled with the version.", ["version"], registry=registry).labels(
            __version__
        ).set(1)
        self._observers: dict[type[Event], Callable[..., None]] = {
            RequestFinished: self._on_request,
            GenerationFinished: self._on_generation,
            PartFailed: self._on_failed_part,
            PictureLost: lambda e: self._lost(e.outcome).inc(),
            SurplusDropped: lambda e: self._surplus(e.model).inc(e.images),
            UpstreamAnswered: self._on_answer,
            UpstreamUnanswered: lambda e: self._unanswered(e.model, e.verdict, e.reason).inc(),
            UpstreamRetried: lambda e: self._retries(e.model).inc(),
            PollFailed: self._on_poll_failure,
            DownloadFinished: lambda e: self._downloads(e.reason).inc(),
        }

    def __call__(self, event: Event) -> None:
        """Count an event."""
        observe = self._observers.get(type(event))
        if observe:
            observe(event)

    def render(self) -> tuple[bytes, str]:
        """Render the exposition and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _on_request(self, event: RequestFinished) -> None:
        self._requests(event.route, str(event.status)).inc()
        self._request_seconds(event.route).observe(event.seconds)

    def _on_generation(self, event: GenerationFinished) -> None:
        self._generations(event.model, event.outcome).inc()
        self._images(event.model).inc(event.delivered)
        self._cost(event.model).inc((event.cost_micro_usd or 0) / 1_000_000)

    def _on_failed_part(self, event: PartFailed) -> None:
        if event.outcome in _REJECTIONS:
            self._rejections(event.outcome).inc()

    def _on_answer(self, event: UpstreamAnswered) -> None:
        self._upstream(event.model, str(event.status)).inc()
        if event.billable:
            self._upstream_seconds(event.model).observe(event.seconds)

    def _on_poll_failure(self, event: PollFailed) -> None:
        self._poll_failures(event.model).inc()
        if event.reason in {"http_401", "http_403"}:
            self._rejections("upstream_auth").inc()

"""Every metric on one screen. Labels come from closed sets only: routes, configured models, known outcomes."""

from collections.abc import Callable

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
        self._requests = Counter("gateway_requests_total", "Requests answered.", ["route", "status"], registry=registry)
        self._request_seconds = Histogram(
            "gateway_request_seconds", "Time to answer a request.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._generations = Counter(
            "gateway_generations_total",
            "Generations ended, by outcome.",
            ["model", "outcome"],
            registry=registry,
        )
        self._images = Counter("gateway_images_total", "Images delivered.", ["model"], registry=registry)
        self._cost = Counter("gateway_cost_usd_total", "Cost of the images delivered.", ["model"], registry=registry)
        self._upstream = Counter(
            "gateway_upstream_replies_total", "Replies of upstream, by status.", ["model", "status"], registry=registry
        )
        self._upstream_seconds = Histogram(
            "gateway_upstream_seconds", "Time of billable calls.", ["model"], buckets=_SECONDS, registry=registry
        )
        self._unanswered = Counter(
            "gateway_upstream_unanswered_total",
            "Billable calls without an answer; verdict unanswered may have been charged.",
            ["model", "verdict", "reason"],
            registry=registry,
        )
        self._retries = Counter(
            "gateway_upstream_retries_total",
            "Billable calls made again, not having been accepted.",
            ["model"],
            registry=registry,
        )
        self._poll_failures = Counter(
            "gateway_poll_failures_total", "Polls repeated for want of an answer.", ["model"], registry=registry
        )
        self._downloads = Counter(
            "gateway_downloads_total", "Pictures fetched (ok) or given up, by reason.", ["reason"], registry=registry
        )
        self._lost = Counter(
            "gateway_pictures_lost_total",
            "Pictures that upstream made, but that could not be delivered.",
            ["outcome"],
            registry=registry,
        )
        self._surplus = Counter(
            "gateway_surplus_images_total", "Images made beyond what was asked for.", ["model"], registry=registry
        )
        self._rejections = Counter(
            "gateway_upstream_key_rejections_total",
            "Upstream calls that failed because upstream refuses our own key or account: alert on any.",
            ["code"],
            registry=registry,
        )
        for code in _REJECTIONS:
            self._rejections.labels(code)  # an increase from nothing would go unseen
        Gauge("gateway_build_info", "1, labelled with the version.", ["version"], registry=registry).labels(
            __version__
        ).set(1)
        self._observers: dict[type[Event], Callable[..., None]] = {
            RequestFinished: self._on_request,
            GenerationFinished: self._on_generation,
            PartFailed: self._on_failed_part,
            PictureLost: lambda e: self._lost.labels(e.outcome).inc(),
            SurplusDropped: lambda e: self._surplus.labels(e.model).inc(e.images),
            UpstreamAnswered: self._on_answer,
            UpstreamUnanswered: lambda e: self._unanswered.labels(e.model, e.verdict, e.reason).inc(),
            UpstreamRetried: lambda e: self._retries.labels(e.model).inc(),
            PollFailed: self._on_poll_failure,
            DownloadFinished: lambda e: self._downloads.labels(e.reason).inc(),
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
        self._requests.labels(event.route, str(event.status)).inc()
        self._request_seconds.labels(event.route).observe(event.seconds)

    def _on_generation(self, event: GenerationFinished) -> None:
        self._generations.labels(event.model, event.outcome).inc()
        self._images.labels(event.model).inc(event.delivered)
        self._cost.labels(event.model).inc((event.cost_micro_usd or 0) / 1_000_000)

    def _on_failed_part(self, event: PartFailed) -> None:
        if event.outcome in _REJECTIONS:
            self._rejections.labels(event.outcome).inc()

    def _on_answer(self, event: UpstreamAnswered) -> None:
        self._upstream.labels(event.model, str(event.status)).inc()
        if event.billable:
            self._upstream_seconds.labels(event.model).observe(event.seconds)

    def _on_poll_failure(self, event: PollFailed) -> None:
        self._poll_failures.labels(event.model).inc()
        if event.reason in {"http_401", "http_403"}:
            self._rejections.labels("upstream_auth").inc()

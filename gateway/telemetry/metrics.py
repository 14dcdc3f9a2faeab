"""Counts events. The metrics themselves are declared, all on one screen, in `declarations`."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from gateway.telemetry import declarations as d
from gateway.telemetry import shared
from gateway.telemetry.events import (
    Admitted,
    BookingDelayed,
    CachingChanged,
    CircuitChanged,
    DownloadFinished,
    DownloadRetried,
    Event,
    GenerationBooked,
    GenerationExpired,
    GenerationFinished,
    GenerationStarted,
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
    TaskCollected,
    UpstreamAnswered,
    UpstreamRetried,
    UpstreamUnanswered,
)
from gateway.telemetry.labels import (
    CACHE_VERDICTS,
    CHORES,
    IMAGE_ROUTE,
    LOST_OUTCOMES,
    RECOVERED,
    REDIS_REFUSALS,
    REDIS_WRITES,
    REJECTIONS,
    RETRY_REASONS,
    UNKNOWN_CAUSES,
    VERDICTS,
    TeamLabels,
    member_of,
    outcome_label,
    status_label,
)


class _Histogram(Histogram):
    """A histogram that finds a bucket by halving instead of step by step."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002  nobody gives one
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)


class Metrics:
    """The metrics of one process, fed by events.

    `models` are those that get a label of their own; at most `most_teams` teams do. With the files that several
    workers share, what is counted here is in `registry` only as far as this worker counted it.
    """

    def __init__(self, models: Iterable[str] = (), *, most_teams: int = 100) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # else each counter has a second series
        self.registry = CollectorRegistry()
        folder = shared.directory()
        self._team = TeamLabels(most_teams, folder / "teams" if folder else None)
        models = tuple(models)
        self._model = member_of(models)
        self._make()
        self._start_at_zero(models)
        self._see_model, self._see_team = cache(self._model_at_zero), cache(self._team_at_zero)
        self._observers: dict[type[Event], Callable[..., None]] = {
            Admitted: self._on_admission,
            BookingDelayed: lambda _: self._bookings_delayed().inc(),
            CachingChanged: lambda e: self._caching_stopped().set(not e.caches),
            CircuitChanged: lambda e: self._circuit(self._model(e.model)).set(e.is_open),
            DownloadFinished: lambda e: self._downloads(e.reason).inc(),
            DownloadRetried: lambda e: self._download_retries(e.reason).inc(),
            GenerationBooked: self._on_booking,
            GenerationExpired: self._on_expiry,
            GenerationFinished: self._on_generation,
            GenerationStarted: lambda e: self._in_flight(self._model(e.model)).inc(),
            GenerationTaken: self._on_adoption,
            LeaseLost: lambda _: self._leases_lost().inc(),
            PartFailed: self._on_failed_part,
            PictureLost: lambda e: self._lost(outcome_label(e.outcome)).inc(),
            PollFailed: self._on_poll_failure,
            RequestFinished: self._on_request,
            ServedWithoutStore: lambda e: self._unstored(self._team(e.team)).inc(),
            StoreCalled: self._on_store,
            StoreTroubled: lambda e: self._chore_failures(e.chore).inc(),
            SurplusDropped: lambda e: self._surplus(self._model(e.model)).inc(e.images),
            TaskCollected: self._on_task,
            UpstreamAnswered: lambda e: self._upstream(self._model(e.model), status_label(e.status)).inc(),
            UpstreamRetried: lambda e: self._retries(self._model(e.model), outcome_label(e.reason)).inc(),
            UpstreamUnanswered: lambda e: self._unanswered(self._model(e.model), e.verdict, e.reason).inc(),
        }

    def __call__(self, event: Event) -> None:
        """Count an event."""
        observe = self._observers.get(type(event))
        if observe is not None:
            observe(event)

    def _make(self) -> None:
        registry = self.registry

        # `labels` converts, locks and looks up; with closed sets of labels a cache does the same in one step.
        def child(metric: Any, labels: tuple[str, ...]) -> Any:
            return cache(metric.labels) if labels else lambda: metric

        def counter(m: d.Declared) -> Callable[..., Counter]:
            found: Callable[..., Counter] = child(Counter(m.name, m.what, m.labels, registry=registry), m.labels)
            return found

        def gauge(m: d.Declared) -> Callable[..., Gauge]:
            made = Gauge(
                m.name,
                m.what,
                m.labels,
                registry=registry,
                multiprocess_mode="livesum" if m.merge == "sum" else "livemax",
            )
            found: Callable[..., Gauge] = child(made, m.labels)
            return found

        def histogram(m: d.Declared) -> Callable[..., Histogram]:
            made = _Histogram(m.name, m.what, m.labels, buckets=m.buckets, registry=registry)
            found: Callable[..., Histogram] = child(made, m.labels)
            return found

        self._requests, self._request_seconds = counter(d.REQUESTS), histogram(d.REQUEST_SECONDS)
        self._generations, self._in_flight = counter(d.GENERATIONS), gauge(d.IN_FLIGHT)
        self._phase_seconds = histogram(d.PHASE_SECONDS)
        self._images, self._cost, self._tokens = counter(d.IMAGES), counter(d.COST), counter(d.TOKENS)
        self._surplus, self._lost, self._unknown = counter(d.SURPLUS), counter(d.LOST), counter(d.UNKNOWN)
        self._admissions, self._cache, self._denials = counter(d.ADMISSIONS), counter(d.CACHE), counter(d.DENIALS)
        self._blob_bytes, self._caching_stopped = counter(d.BLOB_BYTES), gauge(d.CACHING_STOPPED)
        self._adoptions, self._recoveries = counter(d.ADOPTIONS), counter(d.RECOVERIES)
        self._leases_lost, self._bookings_delayed = counter(d.LEASES_LOST), counter(d.BOOKINGS_DELAYED)
        self._unstored, self._chore_failures = counter(d.UNSTORED), counter(d.CHORE_FAILURES)
        self._upstream, self._unanswered = counter(d.UPSTREAM), counter(d.UNANSWERED)
        self._retries, self._rejections, self._circuit = counter(d.RETRIES), counter(d.REJECTIONS), gauge(d.CIRCUIT)
        self._polls, self._poll_failures = histogram(d.POLLS), counter(d.POLL_FAILURES)
        self._ready_lag = histogram(d.READY_LAG)
        self._downloads, self._download_retries = counter(d.DOWNLOADS), counter(d.DOWNLOAD_RETRIES)
        self._redis_seconds, self._redis_errors = histogram(d.REDIS_SECONDS), counter(d.REDIS_ERRORS)

    def _start_at_zero(self, models: Iterable[str]) -> None:
        """Show what alerts and dashboards look at before it happens: an increase from nothing would go unseen."""
        self._requests(IMAGE_ROUTE, "", "", "internal_error", "500")
        self._unstored("")
        for code in REJECTIONS:
            self._rejections(code)
        for outcome in LOST_OUTCOMES:
            self._lost(outcome)
        for verdict in VERDICTS:
            self._admissions(verdict)
        for chore in CHORES:
            self._chore_failures(chore)
        for call, reason in product(REDIS_WRITES, REDIS_REFUSALS):
            self._redis_errors(call, reason)
        for model in models:
            for cause in UNKNOWN_CAUSES:
                self._unknown(model, cause)
            self._circuit(model)
            self._in_flight(model)

    def _model_at_zero(self, model: str) -> None:
        """Show at zero what may become of a model's requests, once it is asked for: most models never are."""
        self._generations(model, "delivered")
        self._surplus(model)
        self._adoptions(model)
        for verdict in CACHE_VERDICTS:
            self._cache(model, verdict)
        for reason in RETRY_REASONS:
            self._retries(model, reason)
        for outcome in RECOVERED:
            self._recoveries(model, outcome)

    def _team_at_zero(self, model: str, team: str) -> None:
        """Show a team's money at zero before it is spent, and the denial that an alert looks at."""
        self._images(model, team)
        self._cost(model, team)
        self._denials(team, "budget_per_month")

    def _on_request(self, event: RequestFinished) -> None:
        facts = event.facts
        model, team = self._model(facts.get("model", "")), self._team(facts.get("team", ""))
        status = status_label(facts.get("error_status", event.status))
        self._requests(event.route, model, team, outcome_label(event.outcome), status).inc()
        self._request_seconds(event.route, model).observe(event.seconds)
        if "cache" in facts:
            self._cache(model, facts["cache"]).inc()

    def _on_admission(self, event: Admitted) -> None:
        model, team = self._model(event.model), self._team(event.team)
        self._see_model(model)
        self._see_team(model, team)
        self._admissions(event.verdict).inc()
        self._phase_seconds("admit", model).observe(event.seconds)
        if event.limit:
            self._denials(team, event.limit).inc()

    def _on_generation(self, event: GenerationFinished) -> None:
        model, outcome = self._model(event.model), outcome_label(event.outcome)
        self._in_flight(model).dec()
        self._generations(model, outcome).inc()
        if event.adopted and event.outcome != "handed_over":
            self._recoveries(model, outcome).inc()
        for phase, began, ended in event.laps:
            self._phase_seconds(phase, model).observe(ended - began)
        if event.input_tokens is not None and event.output_tokens is not None and not event.repeated:
            self._tokens(model, "input").inc(event.input_tokens)
            self._tokens(model, "output").inc(event.output_tokens)

    def _on_booking(self, event: GenerationBooked) -> None:
        model, team = self._model(event.model), self._team(event.team)
        self._images(model, team).inc(event.images)
        self._cost(model, team).inc(event.cost_micro_usd / 1_000_000)

    def _on_adoption(self, event: GenerationTaken) -> None:
        model = self._model(event.model)
        self._adoptions(model).inc()
        self._unknown(model, "worker").inc(event.unknown_parts)

    def _on_expiry(self, event: GenerationExpired) -> None:
        model = self._model(event.model)
        self._recoveries(model, outcome_label(event.state)).inc()
        self._unknown(model, "worker").inc(event.unknown_parts)

    def _on_failed_part(self, event: PartFailed) -> None:
        if event.outcome in REJECTIONS:
            self._rejections(event.outcome).inc()
        elif event.outcome == "outcome_unknown":
            self._unknown(self._model(event.model), "answer").inc()

    def _on_poll_failure(self, event: PollFailed) -> None:
        reason = event.reason
        if reason.startswith("http_"):
            reason = f"http_{status_label(int(reason[5:]))}"
        self._poll_failures(self._model(event.model), reason).inc()
        if reason in {"http_401", "http_403"}:
            self._rejections("upstream_auth").inc()

    def _on_task(self, event: TaskCollected) -> None:
        model = self._model(event.model)
        self._polls(model).observe(event.polls)
        self._ready_lag(model).observe(event.lag_seconds)

    def _on_store(self, event: StoreCalled) -> None:
        self._redis_seconds(event.call).observe(event.seconds)
        if event.reason:
            self._redis_errors(event.call, event.reason).inc()
        elif event.bytes:
            self._blob_bytes("stored" if event.call == "blob_put" else "fetched").inc(event.bytes)

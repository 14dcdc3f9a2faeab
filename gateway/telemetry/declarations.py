"""Every metric on one screen: its name, unit, labels, and what it tells. Labels come from closed sets only.

Sets: routes of this gateway, models of the catalogue, `metrics.max_teams` teams (the rest are `other`), and the words
that `labels` lists. A label that does not apply is empty.
"""

from typing import Literal, NamedTuple

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_POLLS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)

Merge = Literal["sum", "max"]


class Declared(NamedTuple):
    """One metric. `merge` is how a gauge adds up over workers; None is read anew by whoever is scraped."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    unit: str
    labels: tuple[str, ...]
    what: str
    merge: Merge | None = None
    buckets: tuple[float, ...] = _SECONDS


def _counter(name: str, unit: str, what: str, *labels: str) -> Declared:
    return Declared("counter", name, unit, labels, what)


def _seconds(name: str, what: str, *labels: str) -> Declared:
    return Declared("histogram", name, "seconds", labels, what)


def _gauge(name: str, unit: str, what: str, *labels: str, merge: Merge | None = None) -> Declared:
    return Declared("gauge", name, unit, labels, what, merge)


# fmt: off
REQUESTS = _counter("gateway_requests_total", "requests", "Requests that ended; status 499 is a client that left.", "route", "model", "team", "outcome", "status")
REQUEST_SECONDS = _seconds("gateway_request_seconds", "Time from a request's head to the end of its answer.", "route", "model")
GENERATIONS = _counter("gateway_generations_total", "generations", "Generations that ended here.", "model", "outcome")
IN_FLIGHT = _gauge("gateway_generations_in_flight", "generations", "Generations being made.", "model", merge="sum")
PHASE_SECONDS = _seconds("gateway_phase_seconds", "Time of one phase: admit, queue, upstream, poll, download, transcode, store or settle.", "phase", "model")
IMAGES = _counter("gateway_images_total", "images", "Images delivered, as `gateway usage` counts them: each once, by whichever worker booked it.", "model", "team")
COST = _counter("gateway_cost_usd_total", "US dollars", "Cost as `gateway usage` counts it, unknown outcomes at their estimate, once, by whichever worker booked it; what an operator resolves is only there.", "model", "team")
TOKENS = _counter("gateway_tokens_total", "tokens", "Tokens as upstream counts them, input or output; of a generation that two workers collected, once.", "model", "kind")
SURPLUS = _counter("gateway_surplus_images_total", "images", "Images that upstream made beyond what was asked for.", "model")
LOST = _counter("gateway_pictures_lost_total", "images", "Images that upstream made, but that could not be delivered.", "outcome")
UNKNOWN = _counter("gateway_unknown_outcomes_total", "calls", "Paid calls of unknown outcome, whose images `gateway usage` counts: the answer was lost (answer), or the worker (worker); a late image takes nothing back here.", "model", "cause")

ADMISSIONS = _counter("gateway_admissions_total", "decisions", "Decisions of the ledger about requests, all of which but denied, refused and conflict `gateway usage` counts as requests; its hits are hit, its joins join and replay.", "verdict")
CACHE = _counter("gateway_cache_verdicts_total", "requests", "Where admitted requests got their images: hit, miss, joined or bypass.", "model", "verdict")
BLOB_BYTES = _counter("gateway_blob_bytes_total", "bytes", "Image bytes stored in the blobs server, or fetched from it.", "direction")
CACHING_STOPPED = _gauge("gateway_caching_stopped", "0 or 1", "Whether a worker has stopped caching because the Redis that state shares is nearly full.", merge="max")
DENIALS = _counter("gateway_quota_denials_total", "requests", "Requests that a limit of a key or a team denied, which `gateway usage` counts as denied.", "team", "limit")

ADOPTIONS = _counter("gateway_adoptions_total", "generations", "Generations taken over from a worker that is gone.", "model")
RECOVERIES = _counter("gateway_recoveries_total", "generations", "Generations of workers that are gone, by how they ended; void is nothing sent.", "model", "outcome")
LEASES_LOST = _counter("gateway_leases_lost_total", "generations", "Generations that another worker took over, or that expired, while they were made here.")
BOOKINGS_DELAYED = _counter("gateway_bookings_delayed_total", "bookings", "Results that Redis did not take at once; they are told again until it does.")
UNSTORED = _counter("gateway_requests_without_store_total", "requests", "Requests served while Redis is away, without quotas.", "team")
CHORE_FAILURES = _counter("gateway_chore_failures_total", "chores", "Chores of a worker that failed and are tried again.", "chore")

UPSTREAM = _counter("gateway_upstream_replies_total", "replies", "Replies of upstream, polls included.", "model", "status")
UNANSWERED = _counter("gateway_upstream_unanswered_total", "calls", "Paid calls without an answer; verdict unanswered may have been charged.", "model", "verdict", "reason")
RETRIES = _counter("gateway_upstream_retries_total", "calls", "Paid calls made again, not having been accepted.", "model", "reason")
REJECTIONS = _counter("gateway_upstream_key_rejections_total", "calls", "Calls that failed because upstream refuses our own key or account.", "code")
CIRCUIT = _gauge("gateway_circuit_open", "workers", "Workers that leave a failing model alone.", "model", merge="sum")
POLLS = Declared("histogram", "gateway_polls_per_task", "polls", ("model",), "Polls until a task brought its images.", buckets=_POLLS)
POLL_FAILURES = _counter("gateway_poll_failures_total", "polls", "Polls repeated for want of an answer.", "model", "reason")
READY_LAG = _seconds("gateway_ready_lag_seconds", "How long a task's images had been ready at most: since the poll before.", "model")
DOWNLOADS = _counter("gateway_downloads_total", "images", "Images fetched (ok), or given up for the reason named.", "reason")
DOWNLOAD_RETRIES = _counter("gateway_download_retries_total", "downloads", "Downloads tried again.", "reason")

REDIS_SECONDS = _seconds("gateway_redis_seconds", "Time of a script, or of storing or fetching an image, in Redis.", "call")
REDIS_ERRORS = _counter("gateway_redis_errors_total", "calls", "Scripts and image transfers that failed in Redis.", "call", "reason")

REDIS_UP = _gauge("gateway_redis_up", "0 or 1", "Whether Redis answered this scrape; where not, what follows from it is missing.")
RESERVATIONS_OPEN = _gauge("gateway_reservations_open", "generations", "Generations under way in all teams, at any gateway on this Redis.")
RESERVATIONS_OVERDUE = _gauge("gateway_reservations_overdue", "generations", "Those of them whose lease has run out, and that nobody has looked after yet.")
UNRESOLVED = _gauge("gateway_unresolved_generations", "generations", "Generations of unknown outcome that nobody has resolved.")
TEAM_BUDGET = _gauge("gateway_team_budget_usd", "US dollars", "A team's budget of the month.", "team")
TEAM_USED = _gauge("gateway_team_budget_used_usd", "US dollars", "What a team has spent this month, with or without a budget.", "team")
TEAM_LEFT = _gauge("gateway_team_budget_left_usd", "US dollars", "What a team's budget still allows, reservations taken off.", "team")
BUDGET = _gauge("gateway_budget_usd", "US dollars", "The whole gateway's budget of the month.")
BUDGET_USED = _gauge("gateway_budget_used_usd", "US dollars", "What of the whole gateway's budget is spent, while there is one.")
EVICTIONS = _counter("gateway_blob_evictions_total", "keys", "Keys that the blobs server has evicted since it started.")
BLOB_MEMORY = _gauge("gateway_blob_memory_bytes", "bytes", "Memory that the blobs server uses.")
BLOB_LIMIT = _gauge("gateway_blob_memory_limit_bytes", "bytes", "Memory that the blobs server may use; 0 is all.")
BUILD = _gauge("gateway_build_info", "1", "The version of this gateway.", "version")
# fmt: on

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Declared))

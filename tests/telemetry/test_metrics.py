"""The exposition parses, counts what happened, and never grows with what clients send."""

import re
import secrets

import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.access import Access
from gateway.telemetry.events import (
    Admitted,
    BookingDelayed,
    CachingChanged,
    CircuitChanged,
    DownloadFinished,
    DownloadRetried,
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
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.phases import Lap
from tests.support.generation import Clock


def samples(text):
    """Read an exposition: (name, labels) -> value."""
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def rendered(metrics):
    return samples(generate_latest(metrics.registry).decode())


def value(counted, name, **labels):
    return counted.get((name, tuple(sorted(labels.items()))), 0)


OK, FAILED = ("delivered", 3, 2, 120_000), ("outcome_unknown", 1, 0, 60_000)


def request(status=200, method="POST", route="/v1/images/generations", **facts):
    return RequestFinished("req_1", method, route, status, 0.2, facts)


def ended(outcome="delivered", asked=1, delivered=1, cost=60_000, **more):
    return GenerationFinished("g", "art", "k", "V3", outcome, asked, delivered, cost, 1.0, **more)


ROUTE = "/v1/images/generations"
PLAIN = {"route": ROUTE, "model": "", "team": "", "outcome": "ok", "status": "200"}
ART = {"route": ROUTE, "model": "V3", "team": "art"}
TASK = [Lap("upstream", 1.0, 1.5), Lap("poll", 1.5, 9.5)]
EVENTS = [
    (request(), "requests_total", PLAIN, 1),
    (request(499), "requests_total", PLAIN | {"outcome": "client_left", "status": "499"}, 1),
    (request(401, error_code=None), "requests_total", PLAIN | {"outcome": "no_key", "status": "401"}, 1),
    (request(429, model="V3", team="art", error_code="insufficient_quota"),
     "requests_total", ART | {"outcome": "insufficient_quota", "status": "429"}, 1),
    (request(200, model="V3", team="art", error_code="outcome_unknown", error_status=502),
     "requests_total", ART | {"outcome": "outcome_unknown", "status": "502"}, 1),
    (request(404, route="unrouted"), "request_seconds_count", {"route": "unrouted", "model": ""}, 1),
    (request(model="V3"), "request_seconds_sum", {"route": ROUTE, "model": "V3"}, 0.2),
    (request(model="V3", cache="joined"), "cache_verdicts_total", {"model": "V3", "verdict": "joined"}, 1),
    (request(model="V3", error_code="a prompt"), "requests_total", ART | {"team": "", "outcome": "other", "status": "200"}, 1),
    (ended(*OK), "images_total", {"model": "V3", "team": "art"}, 0),
    (ended(*OK), "cost_usd_total", {"model": "V3", "team": "art"}, 0),
    (GenerationBooked("art", "V3", 2, 120_000), "images_total", {"model": "V3", "team": "art"}, 2),
    (GenerationBooked("art", "V3", 2, 120_000), "cost_usd_total", {"model": "V3", "team": "art"}, 0.12),
    (ended(*FAILED), "generations_total", {"model": "V3", "outcome": "outcome_unknown"}, 1),
    (ended(laps=TASK), "phase_seconds_sum", {"phase": "poll", "model": "V3"}, 8),
    (ended(input_tokens=5, output_tokens=70), "tokens_total", {"model": "V3", "kind": "output"}, 70),
    (ended(input_tokens=5, output_tokens=70, repeated=True), "tokens_total", {"model": "V3", "kind": "output"}, 0),
    (ended(), "recoveries_total", {"model": "V3", "outcome": "delivered"}, 0),
    (ended(adopted=True), "recoveries_total", {"model": "V3", "outcome": "delivered"}, 1),
    (GenerationStarted("V3"), "generations_in_flight", {"model": "V3"}, 1),
    (GenerationTaken("g", "art", "V3", 2), "adoptions_total", {"model": "V3"}, 1),
    (GenerationTaken("g", "art", "V3", 2, 3), "unknown_outcomes_total", {"model": "V3", "cause": "worker"}, 3),
    (GenerationExpired("g", "art", "V3", "void"), "recoveries_total", {"model": "V3", "outcome": "void"}, 1),
    (GenerationExpired("g", "art", "V3", "delivered", 2), "unknown_outcomes_total", {"model": "V3", "cause": "worker"}, 2),
    (GenerationExpired("g", "art", "a-model-of-another-gateway", "failed"),
     "recoveries_total", {"model": "other", "outcome": "failed"}, 1),
    (LeaseLost("g"), "leases_lost_total", {}, 1),
    (BookingDelayed("g"), "bookings_delayed_total", {}, 1),
    (ServedWithoutStore("art", "V3"), "requests_without_store_total", {"team": "art"}, 1),
    (CachingChanged(caches=False), "caching_stopped", {}, 1),
    (StoreTroubled("renew", OSError()), "chore_failures_total", {"chore": "renew"}, 1),
    (Admitted("art", "V3", "join", seconds=0.002), "admissions_total", {"verdict": "join"}, 1),
    (Admitted("art", "V3", "join", seconds=0.002), "phase_seconds_sum", {"phase": "admit", "model": "V3"}, 0.002),
    (Admitted("art", "V3", "denied", "images_per_day"), "quota_denials_total", {"team": "art", "limit": "images_per_day"}, 1),
    (PartFailed("V3", "upstream_auth"), "upstream_key_rejections_total", {"code": "upstream_auth"}, 1),
    (PartFailed("V3", "upstream_quota"), "upstream_key_rejections_total", {"code": "upstream_quota"}, 1),
    (PartFailed("V3", "moderation_blocked"), "upstream_key_rejections_total", {"code": "upstream_quota"}, 0),
    (PartFailed("V3", "outcome_unknown"), "unknown_outcomes_total", {"model": "V3", "cause": "answer"}, 1),
    (PictureLost("download_failed"), "pictures_lost_total", {"outcome": "download_failed"}, 1),
    (SurplusDropped("V3", 2), "surplus_images_total", {"model": "V3"}, 2),
    (CircuitChanged("V3", is_open=True), "circuit_open", {"model": "V3"}, 1),
    (UpstreamAnswered("V3", 503, billable=True, seconds=1.0), "upstream_replies_total", {"model": "V3", "status": "503"}, 1),
    (UpstreamAnswered("V3", 793, billable=True, seconds=1.0), "upstream_replies_total", {"model": "V3", "status": "700s"}, 1),
    (UpstreamUnanswered("V3", "unanswered", "timeout"),
     "upstream_unanswered_total", {"model": "V3", "verdict": "unanswered", "reason": "timeout"}, 1),
    (UpstreamRetried("V3", "upstream_unavailable"),
     "upstream_retries_total", {"model": "V3", "reason": "upstream_unavailable"}, 1),
    (PollFailed("V3", "reset"), "poll_failures_total", {"model": "V3", "reason": "reset"}, 1),
    (PollFailed("V3", "http_403"), "upstream_key_rejections_total", {"code": "upstream_auth"}, 1),
    (TaskCollected("V3", 7, 1.5), "polls_per_task_sum", {"model": "V3"}, 7),
    (TaskCollected("V3", 7, 1.5), "ready_lag_seconds_sum", {"model": "V3"}, 1.5),
    (DownloadFinished("ok", 0.1), "downloads_total", {"reason": "ok"}, 1),
    (DownloadRetried("status", 404), "download_retries_total", {"reason": "status"}, 1),
    (StoreCalled("admit", 0.001), "redis_seconds_sum", {"call": "admit"}, 0.001),
    (StoreCalled("admit", 0.5, "timeout"), "redis_errors_total", {"call": "admit", "reason": "timeout"}, 1),
    (StoreCalled("blob_put", 0.001, bytes=9), "blob_bytes_total", {"direction": "stored"}, 9),
    (StoreCalled("blob_get", 0.001, bytes=9), "blob_bytes_total", {"direction": "fetched"}, 9),
]  # fmt: skip


@pytest.mark.parametrize(("event", "name", "labels", "expected"), EVENTS)
def test_each_event_is_counted(event, name, labels, expected):
    """One event, one step of its metric; the exposition parses."""
    metrics = Metrics(["V3"])
    metrics(event)
    assert value(rendered(metrics), f"gateway_{name}", **labels) == pytest.approx(expected)


def test_every_metric_that_is_counted_has_an_event():
    """What is declared but read at a scrape aside, nothing stands there that nothing moves."""
    moved = {re.sub(r"_(sum|count)$", "", f"gateway_{name}") for _, name, _, _ in EVENTS}
    counted = {family.name for family in Metrics().registry.collect()}
    assert {name.removesuffix("_total") for name in moved} == counted


def test_what_alerts_look_at_stands_at_zero_from_the_start():
    """An alert on an increase needs a value to increase from."""
    counted = rendered(Metrics(["V3"]))
    for name, labels in [
        ("upstream_key_rejections_total", {"code": "upstream_auth"}),
        ("upstream_key_rejections_total", {"code": "upstream_quota"}),
        ("pictures_lost_total", {"outcome": "download_failed"}),
        ("unknown_outcomes_total", {"model": "V3", "cause": "answer"}),
        ("unknown_outcomes_total", {"model": "V3", "cause": "worker"}),
        ("circuit_open", {"model": "V3"}),
        ("requests_total", PLAIN | {"outcome": "internal_error", "status": "500"}),
        ("redis_errors_total", {"call": "settle", "reason": "unconfirmed"}),
        ("requests_without_store_total", {"team": ""}),
        ("chore_failures_total", {"chore": "sweep"}),
        ("admissions_total", {"verdict": "denied"}),
    ]:
        assert counted[f"gateway_{name}", tuple(sorted(labels.items()))] == 0


def test_what_a_team_may_cause_stands_at_zero_once_it_asks():
    """Its first image, dollar, hit or denial for its budget is an increase, too."""
    metrics = Metrics(["V3", "dall-e-3"])
    metrics(Admitted("art", "V3", "lead"))
    counted = rendered(metrics)
    for name, labels in [
        ("images_total", {"model": "V3", "team": "art"}),
        ("cost_usd_total", {"model": "V3", "team": "art"}),
        ("quota_denials_total", {"team": "art", "limit": "budget_per_month"}),
        ("cache_verdicts_total", {"model": "V3", "verdict": "hit"}),
        ("generations_total", {"model": "V3", "outcome": "delivered"}),
        ("upstream_retries_total", {"model": "V3", "reason": "upstream_unavailable"}),
        ("surplus_images_total", {"model": "V3"}),
        ("adoptions_total", {"model": "V3"}),
        ("recoveries_total", {"model": "V3", "outcome": "void"}),
    ]:
        assert counted[f"gateway_{name}", tuple(sorted(labels.items()))] == 0
    assert not any(("model", "dall-e-3") in labels for name, labels in counted if name == "gateway_adoptions_total")


def test_a_generation_is_in_flight_until_it_ends():
    """Whatever its end."""
    metrics = Metrics(["V3"])
    for _ in range(2):
        metrics(GenerationStarted("V3"))
    metrics(ended("cancelled", delivered=0, cost=None))
    assert value(rendered(metrics), "gateway_generations_in_flight", model="V3") == 1


def test_only_so_many_teams_have_a_label():
    """The first ones; what comes later is counted together."""
    metrics = Metrics(["V3"], most_teams=2)
    for team in ["a", "b", "c", "d", "a"]:
        metrics(ServedWithoutStore(team, "V3"))
    counted = rendered(metrics)
    told = {
        team: value(counted, "gateway_requests_without_store_total", team=team) for team in ("a", "b", "c", "other")
    }
    assert told == {"a": 2, "b": 1, "c": 0, "other": 2}


def test_two_gateways_in_one_process_do_not_mix():
    """Metrics live in a registry of their own."""
    one, two = Metrics(), Metrics()
    one(LeaseLost("g"))
    assert value(rendered(one), "gateway_leases_lost_total") == 1
    assert value(rendered(two), "gateway_leases_lost_total") == 0


def scraped(http):
    response = http.get("/metrics")
    assert response.status_code == 200
    return samples(response.text)


def test_no_scan_adds_a_series(gateway, key):
    """Two hundred random paths, methods and models: not one series more than a few of each gave."""
    with gateway.http(key) as http:

        def strike():
            word = secrets.token_hex(8)
            http.get(f"/{word}")
            http.get(f"/v1/models/{word}")
            http.get(f"/v1/images/files/{word}.png?expires=1&signature={word}")
            http.request(f"X{word[:6].upper()}", f"/v1/{word}/{word}")
            http.post("/v1/images/generations", json={"model": word, "prompt": word})
            http.post("/v1/images/generations", json={"prompt": "a fox", "size": word})
            http.get("/v1/models", headers={"authorization": f"Bearer sk-gw-{word}"})

        for _ in range(3):
            strike()
        scraped(http)
        before = set(scraped(http))
        for _ in range(200):
            strike()
        after = set(scraped(http))
    assert after == before


def test_every_kind_of_answer_is_counted(gateway, key):
    """Not found, wrong method, too large, wrong type, bad input, no key: each under its route and status."""
    image, oversized = "/v1/images/generations", b" " * (gateway.settings.server.max_body_bytes + 1)
    with gateway.http(key) as http:
        assert http.get("/nowhere").status_code == 404
        assert http.delete(image).status_code == 405
        assert http.post(image, content=oversized).status_code == 413
        assert http.post(image, content=b"x", headers={"content-type": "image/png"}).status_code == 415
        assert http.post(image, json={"prompt": 3}).status_code == 400
        assert http.post(image, json={"prompt": "x"}, headers={"authorization": "Bearer no"}).status_code == 401
        assert http.get("/v1/models/no-such-model").status_code == 404
        counted = scraped(http)
    by_status = {}
    for (name, labels), count in counted.items():
        if name == "gateway_requests_total":
            told = dict(labels)
            by_status.setdefault(told["status"], {})[told["route"]] = count
            assert told["outcome"] != "other"
    assert by_status["404"]["unrouted"] == 1
    assert by_status["404"][next(r for r in by_status["404"] if r.startswith("/v1/models"))] == 1
    assert sum(by_status["405"].values()) == 1
    for status in ("413", "415", "400", "401"):
        assert by_status[status] == {image: 1}


async def test_a_fault_of_our_own_is_counted_as_500():
    """An application that breaks down answers 500, and is counted as such."""

    async def broken(_scope, _receive, _send):
        raise KeyError("a fault")

    metrics = Metrics()
    transport = httpx.ASGITransport(Access(broken, clock=Clock(), emit=metrics))
    assert (await transport.handle_async_request(httpx.Request("GET", "http://gw/v1/models"))).status_code == 500
    labels = {"route": "unrouted", "model": "", "team": "", "outcome": "internal_error", "status": "500"}
    assert value(rendered(metrics), "gateway_requests_total", **labels) == 1


def test_a_drawn_picture_is_counted(gateway, key):
    """One request, two pictures, their cost, their calls upstream."""
    with gateway.http(key) as http:
        body = {"model": "dall-e-3", "prompt": "a fox", "n": 2}
        response = http.post("/v1/images/generations", json=body)
        assert response.status_code == 200
        counted = scraped(http)
    assert value(counted, "gateway_images_total", model="dall-e-3", team="art") == 2
    assert value(counted, "gateway_generations_total", model="dall-e-3", outcome="delivered") == 1
    assert value(counted, "gateway_upstream_replies_total", model="dall-e-3", status="200") == 2
    for phase in ("admit", "queue", "upstream", "download", "store", "settle"):
        assert value(counted, "gateway_phase_seconds_count", phase=phase, model="dall-e-3") >= 1, phase
    assert value(counted, "gateway_redis_seconds_count", call="admit") == 1
    assert value(counted, "gateway_blob_bytes_total", direction="stored") > 0
    cost = value(counted, "gateway_cost_usd_total", model="dall-e-3", team="art")
    assert cost == pytest.approx(float(response.headers["x-gateway-cost-usd"]))


def test_the_upstream_key_refused_is_an_alarm(gateway, key, sandbox):
    """One rejected part among delivered ones is enough to raise the counter."""
    sandbox.drill("dall-e-3", "http-401", times=1)
    with gateway.http(key) as http:
        response = http.post("/v1/images/generations", json={"model": "dall-e-3", "prompt": "a fox", "n": 2})
        assert response.status_code == 200
        assert len(response.json()["data"]) == 1
        counted = scraped(http)
    assert value(counted, "gateway_upstream_key_rejections_total", code="upstream_auth") == 1


def test_the_exposition_is_plain_prometheus_text(gateway):
    """Any Prometheus reads it: its content type, help and type for every metric."""
    response = httpx.get(f"{gateway.url}/metrics", trust_env=False)
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert response.headers["content-type"].count("charset") == 1
    for family in text_string_to_metric_families(response.text):
        assert family.documentation
        assert family.type != "unknown"

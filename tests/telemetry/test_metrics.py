"""The exposition parses, counts what happened, and never grows with what clients send."""

import secrets

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.access import Access
from gateway.telemetry.events import (
    DownloadFinished,
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
from gateway.telemetry.metrics import Metrics
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
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return samples(body.decode())


def value(counted, name, **labels):
    return counted.get((name, tuple(sorted(labels.items()))), 0)


EVENTS = [
    (RequestFinished("req_1", "POST", "/v1/images/generations", 200, 0.2, {}),
     "gateway_requests_total", {"route": "/v1/images/generations", "status": "200"}, 1),
    (RequestFinished("req_1", "GET", "unrouted", 404, 0.2, {}),
     "gateway_request_seconds_count", {"route": "unrouted"}, 1),
    (GenerationFinished("g", "art", "k", "V3", "delivered", 3, 2, 120_000, 1.0), "gateway_images_total", {"model": "V3"}, 2),
    (GenerationFinished("g", "art", "k", "V3", "delivered", 3, 2, 120_000, 1.0), "gateway_cost_usd_total", {"model": "V3"}, 0.12),
    (GenerationFinished("g", "art", "k", "V3", "outcome_unknown", 1, 0, None, 1.0),
     "gateway_generations_total", {"model": "V3", "outcome": "outcome_unknown"}, 1),
    (PartFailed("V3", "upstream_auth"), "gateway_upstream_key_rejections_total", {"code": "upstream_auth"}, 1),
    (PartFailed("V3", "upstream_quota"), "gateway_upstream_key_rejections_total", {"code": "upstream_quota"}, 1),
    (PartFailed("V3", "moderation_blocked"), "gateway_upstream_key_rejections_total", {"code": "upstream_quota"}, 0),
    (PictureLost("download_failed"), "gateway_pictures_lost_total", {"outcome": "download_failed"}, 1),
    (SurplusDropped("V3", 2), "gateway_surplus_images_total", {"model": "V3"}, 2),
    (UpstreamAnswered("V3", 503, billable=True, seconds=1.0), "gateway_upstream_replies_total", {"model": "V3", "status": "503"}, 1),
    (UpstreamAnswered("V3", 200, billable=True, seconds=1.0), "gateway_upstream_seconds_count", {"model": "V3"}, 1),
    (UpstreamAnswered("V3", 200, billable=False, seconds=1.0), "gateway_upstream_seconds_count", {"model": "V3"}, 0),
    (UpstreamUnanswered("V3", "unanswered", "timeout"),
     "gateway_upstream_unanswered_total", {"model": "V3", "verdict": "unanswered", "reason": "timeout"}, 1),
    (UpstreamRetried("V3", "upstream_unavailable"), "gateway_upstream_retries_total", {"model": "V3"}, 1),
    (PollFailed("V3", "reset"), "gateway_poll_failures_total", {"model": "V3"}, 1),
    (DownloadFinished("ok", 0.1), "gateway_downloads_total", {"reason": "ok"}, 1),
]  # fmt: skip


@pytest.mark.parametrize(("event", "name", "labels", "expected"), EVENTS)
def test_each_event_is_counted(event, name, labels, expected):
    """One event, one step of its metric; the exposition parses."""
    metrics = Metrics()
    metrics(event)
    assert value(rendered(metrics), name, **labels) == pytest.approx(expected)


def test_rejections_stand_at_zero_from_the_start():
    """An alert on their increase needs a value to increase from."""
    counted = rendered(Metrics())
    rejections = [labels for name, labels in counted if name == "gateway_upstream_key_rejections_total"]
    assert rejections == [(("code", "upstream_auth"),), (("code", "upstream_quota"),)]


def test_two_gateways_in_one_process_do_not_mix():
    """Metrics live in a registry of their own."""
    one, two = Metrics(), Metrics()
    one(PollFailed("V3", "reset"))
    assert value(rendered(two), "gateway_poll_failures_total", model="V3") == 0


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
            by_status.setdefault(dict(labels)["status"], {})[dict(labels)["route"]] = count
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
    assert value(rendered(metrics), "gateway_requests_total", route="unrouted", status="500") == 1


def test_a_drawn_picture_is_counted(gateway, key):
    """One request, two pictures, their cost, their calls upstream."""
    with gateway.http(key) as http:
        body = {"model": "dall-e-3", "prompt": "a fox", "n": 2}
        response = http.post("/v1/images/generations", json=body)
        assert response.status_code == 200
        counted = scraped(http)
    assert value(counted, "gateway_images_total", model="dall-e-3") == 2
    assert value(counted, "gateway_generations_total", model="dall-e-3", outcome="delivered") == 1
    assert value(counted, "gateway_upstream_replies_total", model="dall-e-3", status="200") == 2
    cost = value(counted, "gateway_cost_usd_total", model="dall-e-3")
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
    for family in text_string_to_metric_families(response.text):
        assert family.documentation
        assert family.type != "unknown"

"""`x-ratelimit-*`, as OpenAI spells it."""

import pytest

from gateway.api.ratelimit import go_duration, ratelimit_headers
from gateway.store.journal import Allowance, Verdict
from gateway.store.limits import Limits
from tests.support.gateway import envelope


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (0, "0s"),
        (1, "1ms"),
        (120, "120ms"),
        (999, "999ms"),
        (1000, "1s"),
        (1500, "1.5s"),
        (1001, "1.001s"),
        (59_999, "59.999s"),
        (60_000, "1m0s"),
        (360_000, "6m0s"),
        (61_250, "1m1.25s"),
        (3_600_000, "1h0m0s"),
        (86_399_000, "23h59m59s"),
        (90_000_000, "25h0m0s"),
    ],
)
def test_durations_are_gos(ms, told):
    """As Go's time.Duration prints them, which is what clients parse."""
    assert told == go_duration(ms)


def test_only_limits_that_exist_are_told():
    """Without a limit there is no header."""
    assert {} == ratelimit_headers(Verdict("lead"))
    assert {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "6s",
    } == ratelimit_headers(Verdict("lead", requests=Allowance(10, 9, 6000)))
    told = ratelimit_headers(Verdict("lead", requests=Allowance(10, 9, 6000), images=Allowance(5, 0, 1)))
    assert ("5", "0", "1ms") == tuple(told[f"x-ratelimit-{what}-images"] for what in ("limit", "remaining", "reset"))


def test_every_answer_to_a_limited_key_tells_what_is_left(gateway):
    """Pictures, hits and denials alike; the denial says when to come back."""
    key = gateway.key(limits=Limits(requests_per_minute=2, images_per_day=5))
    body = {"model": "V3", "prompt": "a fox"}
    with gateway.http(key) as http:
        made, hit, denied = (http.post("/v1/images/generations", json=body) for _ in range(3))

    def left(answer):
        return tuple(answer.headers[f"x-ratelimit-remaining-{what}"] for what in ("requests", "images"))

    assert [("1", "4"), ("0", "4"), ("0", "4")] == [left(answer) for answer in (made, hit, denied)]
    assert ("2", "5") == tuple(denied.headers[f"x-ratelimit-limit-{what}"] for what in ("requests", "images"))
    assert (429, "requests", "rate_limit_exceeded", None) == envelope(denied)
    assert 1 <= int(denied.headers["retry-after"]) <= 60


def test_a_spent_quota_is_not_to_be_tried_again(gateway):
    """More images than the day has left: told at once, and SDKs give up."""
    with gateway.http(gateway.key(limits=Limits(images_per_day=2))) as http:
        answer = http.post("/v1/images/generations", json={"model": "V3", "prompt": "a fox", "n": 3})

    assert (429, "insufficient_quota", "insufficient_quota", None) == envelope(answer)
    assert "false" == answer.headers["x-should-retry"]

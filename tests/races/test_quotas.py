"""Quotas raced for through two gateways: exactly what they allow is made, bought and counted."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from tests.races.harness import Books, Gateway, limit, mint, rounds

REQUESTS = 200
COVERED = 37
PRICE = 40_000  # micro-dollars of one flux-kontext-pro picture
UNBROKEN_S = 60  # a lease that no pause of a busy machine outlasts: what it returned would be somebody else's to take


@pytest.fixture(scope="module")
def upstream():
    with RunningSandbox(Settings(task_delay=0.05, delay=0.02)) as running:
        yield running


@pytest.fixture(params=["own_valkey", "cluster"])
def store(request):
    """Give a Redis of one node, or a cluster of three."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def pair(store, upstream, tmp_path):
    """Give two gateways with state directories of their own on one Redis."""
    upstream.reset()
    with (
        Gateway(tmp_path / "a", upstream, store.url, workers=1, lease_s=UNBROKEN_S) as one,
        Gateway(tmp_path / "b", upstream, store.url, workers=1, lease_s=UNBROKEN_S) as other,
    ):
        yield one, other


def race(gateways, keys, bodies):
    """Send all bodies at once, spread over gateways and keys; returns the answers."""

    def post(number):
        url = gateways[number % len(gateways)].url
        key = keys[number % len(keys)]
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(f"{url}/v1/images/generations", json=bodies[number], headers=headers, timeout=60)

    with ThreadPoolExecutor(64) as pool:
        return list(pool.map(post, range(len(bodies))))


def wish(number, n=1, model="flux-kontext-pro"):
    return {"model": model, "prompt": f"fox number {number}", "n": n}


def made(answers):
    return sum(len(answer.json()["data"]) for answer in answers if answer.status_code == 200)


def assert_denied(answers):
    for answer in answers:
        assert answer.status_code in {200, 429}, answer.text
        if answer.status_code == 429:
            assert "insufficient_quota" == answer.json()["error"]["code"] == answer.json()["error"]["type"]
            assert "false" == answer.headers["x-should-retry"]
            assert "retry-after" not in answer.headers


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("scope", "limits", "holders"),
    [
        ("key", {"budget_per_month": COVERED * PRICE + 1}, 1),
        ("key", {"images_per_day": COVERED}, 1),
        ("team", {"budget_per_month": COVERED * PRICE}, 5),
        ("team", {"images_per_day": COVERED}, 5),
    ],
    ids=["a key's budget", "a key's images", "a team's budget across five keys", "a team's images across five keys"],
)
def test_exactly_what_the_quota_covers_is_made(store, upstream, pair, scope, limits, holders):
    """200 requests at once against a quota of 37 images: upstream saw 37, the clients got 37, the books say 37."""
    for number in range(rounds(1)):
        team = f"team{number}"
        upstream.reset()
        minted = [mint(store.url, team) for _ in range(holders)]
        limit(store, team, None if scope == "team" else minted[0][0], **limits)
        answers = race(pair, [secret for _, secret in minted], [wish(f"{number}.{i}") for i in range(REQUESTS)])

        assert_denied(answers)
        assert COVERED == made(answers)
        assert COVERED == upstream.stats().images
        booked = Books(store, team).balance()
        assert COVERED == booked["images"]
        assert COVERED * PRICE == booked["cost"]
        assert REQUESTS == booked["requests"] + booked["denied"]


@pytest.mark.timeout(3600)
def test_mixed_counts_never_pass_the_quota(store, upstream, pair):
    """With n from 1 to 4 mixed the quota is never passed, and what is left at the end is less than what was refused."""
    for number in range(rounds(1)):
        team = f"mixed{number}"
        upstream.reset()
        _, key = mint(store.url, team)
        limit(store, team, None, images_per_day=COVERED)
        chance = random.Random(number)
        counts = [chance.randint(1, 4) for _ in range(60)]
        bodies = [wish(f"{number}.{i}", n) for i, n in enumerate(counts)]
        answers = race(pair, [key], bodies)

        assert_denied(answers)
        refused = [n for n, answer in zip(counts, answers, strict=True) if answer.status_code == 429]
        assert made(answers) == upstream.stats().images == Books(store, team).balance()["images"] <= COVERED
        assert COVERED - made(answers) < min(refused)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scope", ["key", "team"])
def test_no_more_at_once_than_allowed(store, upstream, pair, scope):
    """While seven generations are held upstream no eighth begins; when they end the gauge is free again."""
    upstream.reset()
    minted = [mint(store.url, "narrow") for _ in range(1 if scope == "key" else 5)]
    limit(store, "narrow", minted[0][0] if scope == "key" else None, max_concurrent=7)
    bodies = [wish(f"{i} [[sandbox:slow=3]]", model="dall-e-3") for i in range(60)]
    answers = race(pair, [secret for _, secret in minted], bodies)
    codes = Counter(answer.status_code for answer in answers)
    again = race(pair, [minted[0][1]], [wish("afterwards", model="dall-e-3")])

    assert {200: 7, 429: 53} == codes
    assert 7 + 1 == upstream.stats().images
    assert 200 == again[0].status_code
    denied = next(answer for answer in answers if answer.status_code == 429)
    assert "rate_limit_exceeded" == denied.json()["error"]["code"]
    assert 1 <= int(denied.headers["retry-after"]) <= 60

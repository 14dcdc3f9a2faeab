"""What a request asks of the ledger, and what the client is told of its verdict."""

import msgspec
import pytest

from gateway.errors import Conflict, Forbidden, OutcomeUnknown, QuotaSpent, TooManyRequests, Unauthenticated
from gateway.generation.admission import Policy, admission, dollars, refusal
from gateway.generation.plan import Brief
from gateway.store.journal import Verdict
from tests.support.generation import plan_for, wish

PLAN = plan_for("V3", n=3)


def asked(ttl_s=60, missing="", **changes):
    return admission(wish(PLAN, **changes), "gen_1", ttl_s=ttl_s, missing=missing)


def test_the_question_holds_what_the_ledger_needs():
    """Who asks for what, at which price, in which parts; and no prompt."""
    question = asked(user="ann", is_retry=True, idempotency="i", body="b", missing="gen_0")
    assert (question.id, question.key, question.model, question.n) == ("gen_1", "k1", "V3", 3)
    assert (question.counts, question.fp, question.estimate) == ((1, 1, 1), PLAN.fingerprint, PLAN.estimate)
    assert (question.user, question.retry, question.idempotency, question.body) == ("ann", True, "i", "b")
    assert (question.missing, question.ttl_s) == ("gen_0", 60)
    assert msgspec.json.decode(question.plan, type=Brief) == PLAN.brief
    assert b"a red fox" not in msgspec.json.encode(question)


@pytest.mark.parametrize(
    ("policy", "ttl_s", "shared", "stores", "anew"),
    [
        (Policy(), 60, True, True, False),
        (Policy(), 0, False, False, False),
        (Policy(reads=False, anew=True), 60, False, True, True),
        (Policy(reads=False, stores=False), 60, False, False, False),
        (Policy(max_age_s=5), 60, True, True, False),
    ],
    ids=["default", "a model without a cache", "no-cache", "no-store", "max-age"],
)
def test_what_may_be_shared_and_kept(policy, ttl_s, shared, stores, anew):
    """What is not kept for others is not shared with them either."""
    question = asked(policy=policy, ttl_s=ttl_s)
    assert (question.shared, question.stores, question.anew) == (shared, stores, anew)
    assert question.max_age_s == policy.max_age_s


REFUSALS = [
    (Verdict("unknown", "gen_7"), OutcomeUnknown, "outcome_unknown", False, ["gen_7", "no-cache", "Idempotency-Key"]),
    (Verdict("conflict", "gen_7"), Conflict, "idempotency_key_reused", False, ["another body"]),
    (Verdict("gone", "gen_7"), Conflict, "idempotency_result_gone", False, ["gen_7", "new key"]),
    (Verdict("refused", why="unknown"), Unauthenticated, "invalid_api_key", None, ["sk-gw-***"]),
    (Verdict("refused", why="revoked", at=1_764_000_000), Unauthenticated, "invalid_api_key", None,
     ["revoked on 2025-11-24 16:00 UTC"]),
    (Verdict("refused", why="expired", at=1_764_000_000), Unauthenticated, "invalid_api_key", None,
     ["expired on 2025-11-24 16:00 UTC"]),
    (Verdict("refused", why="model", models="dall-e-3,FLUX-1.1-pro"), Forbidden, "model_not_allowed", None,
     ["'V3'", "dall-e-3, FLUX-1.1-pro"]),
    (Verdict("refused", why="price"), Forbidden, "model_not_priced", None, ["'V3'", "budget"]),
    (Verdict("denied", limit="requests_per_minute", scope="key", allowed=10, retry_ms=1500), TooManyRequests,
     "rate_limit_exceeded", None, ["your key: 10 requests per minute", "Please try again in 1.5s."]),
    (Verdict("denied", limit="requests_per_minute", scope="team", allowed=10, retry_ms=120), TooManyRequests,
     "rate_limit_exceeded", None, ["the team 'art'", "Please try again in 120ms."]),
    (Verdict("denied", limit="max_concurrent", scope="key", allowed=2, retry_ms=1000), TooManyRequests,
     "rate_limit_exceeded", None, ["2 generations at the same time", "Please try again in 1s."]),
    (Verdict("denied", limit="images_per_day", scope="key", allowed=50, remaining=2), QuotaSpent,
     "insufficient_quota", False, ["Your key may make 50 images per day, of which 2 are left", "is for 3", "midnight UTC"]),
    (Verdict("denied", limit="images_per_day", scope="team", allowed=50), QuotaSpent,
     "insufficient_quota", False, ["The team 'art' may make"]),
    (Verdict("denied", limit="budget_per_month", scope="team", allowed=50_000_000, remaining=125_000), QuotaSpent,
     "insufficient_quota", False,
     ["The team 'art' has a budget of $50 per month, of which $0.125 are left",
      f"may cost ${dollars(PLAN.estimate)}"]),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "kind", "code", "should_retry", "words"), REFUSALS)
def test_each_verdict_has_its_error(verdict, kind, code, should_retry, words):
    """Its class, its code, its advice on retries, and the numbers that it is about."""
    error = refusal(verdict, wish(PLAN, presented="sk-gw-***"))
    assert (type(error), error.code, error.should_retry) == (kind, code, should_retry)
    assert [word for word in words if word not in error.message] == []


@pytest.mark.parametrize("why", ["model", "price"])
def test_what_is_wrong_with_the_model_names_it(why):
    """Clients find the parameter at fault in `param`."""
    assert refusal(Verdict("refused", why=why, models="dall-e-3"), wish(PLAN)).param == "model"


@pytest.mark.parametrize("limit", ["requests_per_minute", "max_concurrent"])
def test_a_rate_limit_tells_when_to_come_back(limit):
    """In seconds, to the millisecond."""
    assert refusal(Verdict("denied", limit=limit, scope="key", retry_ms=1250), wish(PLAN)).retry_after == 1.25


def test_a_spent_quota_tells_no_time():
    """Nobody is invited to come back a thousand times before midnight."""
    denied = Verdict("denied", limit="images_per_day", scope="key", retry_ms=3_600_000)
    assert refusal(denied, wish(PLAN)).retry_after is None


@pytest.mark.parametrize(
    ("micro", "told"),
    [(0, "0"), (1, "0.000001"), (60_000, "0.06"), (1_000_000, "1"), (10_000_000, "10"), (1_234_560, "1.23456")],
)
def test_dollars(micro, told):
    """Exact, and without zeros that say nothing."""
    assert dollars(micro) == told

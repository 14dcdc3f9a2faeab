"""From a request to the ledger's question, and from the ledger's verdict to the client's error."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from gateway.errors import (
    Conflict,
    Forbidden,
    GatewayError,
    OutcomeUnknown,
    QuotaSpent,
    TooManyRequests,
    Unauthenticated,
)
from gateway.generation.plan import Plan
from gateway.store.journal import Admission, Verdict
from gateway.telemetry.phases import Phases


@dataclass(frozen=True, slots=True)
class Policy:
    """What a request says of the cache (`Cache-Control`): whether it may be answered from it, and be kept there.

    `anew` insists on buying even where an earlier outcome is unknown. `max_age_s` is the oldest picture it takes.
    """

    reads: bool = True
    stores: bool = True
    anew: bool = False
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """One request for a plan's pictures, by one key of a team.

    `idempotency` and `body` are hashes, "" without a key. `tell` hears each verdict as it comes, `phases` of each step.
    """

    plan: Plan
    team: str
    key_id: str
    presented: str = ""
    policy: Policy = field(default_factory=Policy)
    is_retry: bool = False
    idempotency: str = ""
    body: str = ""
    user: str = ""
    tell: Callable[[Verdict], None] = lambda _: None
    phases: Phases = field(default_factory=Phases)


def admission(wish: Wish, generation_id: str, *, ttl_s: int, missing: str) -> Admission:
    """Make the question. `ttl_s` is how long the picture may be replayed; 0 is not at all."""
    plan, policy = wish.plan, wish.policy
    is_cached = ttl_s > 0
    return Admission(
        id=generation_id,
        key=wish.key_id,
        model=plan.model.id,
        fp=plan.fingerprint,
        n=plan.n,
        counts=tuple(part.count for part in plan.parts),
        plan=msgspec.json.encode(plan.brief).decode(),
        ttl_s=ttl_s,
        estimate=plan.estimate,
        user=wish.user,
        shared=policy.reads and policy.stores and is_cached,
        stores=policy.stores and is_cached,
        anew=policy.anew,
        retry=wish.is_retry,
        max_age_s=policy.max_age_s,
        idempotency=wish.idempotency,
        body=wish.body,
        missing=missing,
    )


def refusal(verdict: Verdict, wish: Wish) -> GatewayError:
    """Make the error of a verdict that delivers nothing."""
    match verdict.kind:
        case "unknown":
            return OutcomeUnknown(
                f"An identical request ({verdict.generation}) went out a moment ago and its outcome is unknown: it may "
                "have been charged, so it is not bought again yet. To buy it anew at once, send 'Cache-Control: "
                "no-cache' or a new Idempotency-Key."
            )
        case "conflict":
            return Conflict(
                "This Idempotency-Key was used before with another body. Repeat that body, or use a new key."
            )
        case "gone":
            return Conflict(
                f"This Idempotency-Key's request was delivered before ({verdict.generation}), but its pictures are no "
                "longer kept. Use a new key to buy them anew.",
                code="idempotency_result_gone",
            )
        case "denied":
            return _denied(verdict, wish)
        case _:
            return _refused(verdict, wish)


def _refused(verdict: Verdict, wish: Wish) -> GatewayError:
    match verdict.why:
        case "model":
            allowed = ", ".join(verdict.models.split(","))
            return Forbidden(
                f"Your key may not use the model '{wish.plan.model.id}'. It may use: {allowed}.", param="model"
            )
        case "price":
            return Forbidden(
                f"The model '{wish.plan.model.id}' has no price here, so a key with a budget cannot use it.",
                code="model_not_priced",
                param="model",
            )
    ended = {"revoked": "was revoked on", "expired": "expired on"}.get(verdict.why)
    because = f"This key {ended} {datetime.fromtimestamp(verdict.at, UTC):%Y-%m-%d %H:%M} UTC. " if ended else ""
    return Unauthenticated(
        f"Incorrect API key provided: {wish.presented}. {because}Ask the operator of this gateway for a key."
    )


def _denied(verdict: Verdict, wish: Wish) -> GatewayError:
    whose = "your key" if verdict.scope == "key" else f"the team '{wish.team}'"
    match verdict.limit:
        case "requests_per_minute":
            return TooManyRequests(
                f"Rate limit reached for {whose}: {verdict.allowed} requests per minute. "
                f"Please try again in {_seconds(verdict.retry_ms)}.",
                retry_after=verdict.retry_ms / 1000,
            )
        case "max_concurrent":
            return TooManyRequests(
                f"Rate limit reached for {whose}: {verdict.allowed} generations at the same time. "
                f"Please try again in {_seconds(verdict.retry_ms)}.",
                retry_after=verdict.retry_ms / 1000,
            )
        case "images_per_day":
            return _spent(
                f"{whose[0].upper()}{whose[1:]} may make {verdict.allowed} images per day, of which "
                f"{verdict.remaining} are left, and this request is for {wish.plan.n}. The day ends at midnight UTC."
            )
        case _:
            return _spent(
                f"{whose[0].upper()}{whose[1:]} has a budget of ${dollars(verdict.allowed)} per month, of which "
                f"${dollars(verdict.remaining)} are left, and this request may cost "
                f"${dollars(wish.plan.estimate or 0)}. The month ends at midnight UTC of its last day."
            )


def _spent(why: str) -> QuotaSpent:
    return QuotaSpent(f"You exceeded your current quota. {why}")


def dollars(micro: int) -> str:
    """Render micro-dollars as a decimal, without trailing zeros."""
    return f"{micro / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _seconds(ms: int) -> str:
    return f"{ms}ms" if ms < 1000 else f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"

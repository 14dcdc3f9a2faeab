"""Every error that a client can meet, and what raises it."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import (
    Conflict,
    DeadlineExceeded,
    Forbidden,
    GatewayError,
    InvalidRequest,
    Moderated,
    NotFound,
    OutcomeUnknown,
    QuotaSpent,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One row of the table: `should_retry` is the header `x-should-retry`, None where it is not sent."""

    status: int
    type: str
    code: str | None
    should_retry: bool | None
    when: str


def _of(kind: type[GatewayError]) -> Callable[..., Failure]:
    def row(code: str | None, when: str, *, type_: str | None = None) -> Failure:
        return Failure(kind.status, type_ or kind.type, code, kind.should_retry, when)

    return row


def _framework(status: int, code: str, when: str) -> Failure:
    return Failure(status, "invalid_request_error", code, None, when)


_bad = _of(InvalidRequest)
_moderated = _of(Moderated)
_unknown_key = _of(Unauthenticated)
_not_found = _of(NotFound)
_upstream = _of(UpstreamFailed)
_unavailable = _of(Unavailable)

FAILURES: tuple[Failure, ...] = (
    _bad("invalid_json", "The body is empty, is not UTF-8, is not JSON, is not an object, or names a field twice."),
    _bad("missing_required_parameter", "`prompt` is missing, or `image` for a model that needs one."),
    _bad("invalid_type", 'A parameter has the wrong type: `n` is `2`, not `"2"`.'),
    _bad("invalid_value", "A value that the model cannot take, or the model itself refused the request."),
    _bad("empty_string", "`prompt` or `model` is empty."),
    _bad("string_above_max_length", "A text is too long for the model."),
    _bad("integer_below_min_value", "A whole number is too small."),
    _bad("integer_above_max_value", "A whole number is too large, `n` above 10 for one."),
    _bad("decimal_below_min_value", "A number is too small."),
    _bad("decimal_above_max_value", "A number is too large."),
    _bad("array_above_max_length", "More reference images than the model takes."),
    _bad("invalid_png_output_compression", "`output_compression` below 100 without JPEG or WebP."),
    _bad("unknown_parameter", "With `strict_params`, what the model cannot honour; under `/admin`, an unknown field."),
    _moderated("moderation_blocked", "The model refused the content; nothing is charged."),
    _moderated(
        "content_policy_violation", "The same of `dall-e-3`, in the words of its day.", type_="invalid_request_error"
    ),
    _framework(400, "invalid_request", "The HTTP request itself is malformed."),
    _unknown_key(None, "No key was sent."),
    _unknown_key("invalid_api_key", "The key is unknown, revoked or expired."),
    _of(Forbidden)("model_not_allowed", "The key is restricted to other models."),
    _of(Forbidden)("model_not_priced", "The key has a budget, and the model has no price that could count against it."),
    _of(Forbidden)("model_switched_off", "The operator has switched the model off."),
    _of(Forbidden)("csrf_token_missing", "A page's session would change something without the page's token."),
    _not_found("model_not_found", "No such model, an unsupported one, or one that upstream no longer has."),
    _not_found("not_found", "No such path, or an image whose URL has expired."),
    _framework(405, "method_not_allowed", "The path exists, but not for this method."),
    _framework(408, "request_timeout", "The request's headers did not arrive within a minute."),
    _of(Conflict)("idempotency_key_reused", "The `Idempotency-Key` was used before, with another body."),
    _of(Conflict)("idempotency_result_gone", "What this `Idempotency-Key` bought is no longer kept."),
    _of(Conflict)("not_in_dispute", "Under `/admin` only: the outcome of that generation is known."),
    _framework(413, "request_too_large", "The body is larger than `server.max_body_bytes`."),
    _framework(415, "unsupported_media_type", "The body is announced as something other than JSON."),
    _framework(431, "headers_too_large", "The request's line and headers are larger than 64 KiB."),
    _of(TooManyRequests)("rate_limit_exceeded", "Too many requests in a minute, or generations at the same time."),
    _of(QuotaSpent)("insufficient_quota", "The images of the day, or the budget of the month, are used up."),
    Failure(500, "server_error", "internal_error", None, "A fault of the gateway; it is logged under the request id."),
    _upstream("upstream_error", "Upstream answered, and the answer holds no image."),
    _upstream("upstream_auth", "Upstream refuses the gateway's own key; yours is not to blame."),
    _upstream("upstream_quota", "The gateway's own account upstream has no credit left."),
    _upstream("download_failed", "The image was made, but could not be fetched. It was probably charged."),
    _upstream("result_lost", "The image was made for an identical request, but could not be kept for this one."),
    _of(OutcomeUnknown)(
        "outcome_unknown",
        "A paid call went out and its answer was lost. It may have been charged and is not re-sent.",
    ),
    _unavailable("upstream_unavailable", "Upstream could not be reached or was too busy; nothing was bought."),
    _unavailable("model_unavailable", "The model keeps failing upstream and is left alone for a moment."),
    _unavailable("server_overloaded", "This worker has too many calls in flight and in its queue."),
    _unavailable("redis_unavailable", "The gateway's store does not answer; nothing was bought."),
    _unavailable("lease_lost", "This worker was too slow to buy safely; nothing was bought."),
    _unavailable(
        "draining",
        "This worker is shutting down. Nothing was bought, or another worker collects the image: send it again.",
    ),
    _of(DeadlineExceeded)(
        "timeout", "The image is still being made, but the request has waited as long as it may. Send it again."
    ),
)

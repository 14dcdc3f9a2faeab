"""Every error a client can be sent, drawn as a tree.

GatewayError                 status  type                       code
├── InvalidRequest           400     invalid_request_error      invalid_value, invalid_type, ...
├── Moderated                400     image_generation_user_error  moderation_blocked
├── Unauthenticated          401     invalid_request_error      invalid_api_key | null
├── Forbidden                403     invalid_request_error      model_not_allowed, ...
├── NotFound                 404     invalid_request_error      model_not_found, ...
├── Conflict                 409     invalid_request_error      idempotency_key_reused, idempotency_result_gone
├── TooManyRequests          429     requests                   rate_limit_exceeded
├── QuotaSpent               429     insufficient_quota         insufficient_quota
├── UpstreamFailed           502     server_error               upstream_error, upstream_auth, upstream_quota
├── OutcomeUnknown           502     server_error               outcome_unknown
├── Unavailable              503     server_error               upstream_unavailable, ...
└── DeadlineExceeded         504     server_error               timeout

Raised where they are understood, rendered only in `gateway.api.errors`.
"""

from typing import ClassVar


class GatewayError(Exception):
    """An answer to the client that is not a picture.

    `retry_after` is in seconds and lies in 1..60, where all known clients honour it.
    `should_retry` becomes the header `x-should-retry`, which overrides an SDK's own rule for the status.
    """

    status: ClassVar[int] = 500
    type: str = "server_error"
    code: str | None = "internal_error"
    should_retry: bool | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,  # noqa: A002  the wire's own name
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.code
        self.type = type if type is not None else self.type
        self.retry_after = retry_after
        self.should_retry = should_retry if should_retry is not None else self.should_retry


class InvalidRequest(GatewayError):
    """The request is wrong; nothing was reserved and nothing was sent."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"


class Moderated(GatewayError):
    """Upstream refused the content; nothing was made and nothing is charged."""

    status = 400
    type = "image_generation_user_error"
    code = "moderation_blocked"


class Unauthenticated(GatewayError):
    """No key, or not one of ours."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class Forbidden(GatewayError):
    """A good key that may not do this."""

    status = 403
    type = "invalid_request_error"
    code = "model_not_allowed"


class NotFound(GatewayError):
    """No such model, route or file."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"


class Conflict(GatewayError):
    """The request contradicts an earlier one; repeating it cannot help."""

    status = 409
    type = "invalid_request_error"
    code = "idempotency_key_reused"
    should_retry = False


class TooManyRequests(GatewayError):
    """A limit of the key or its team is reached."""

    status = 429
    type = "requests"
    code = "rate_limit_exceeded"


class QuotaSpent(GatewayError):
    """A quota of the key or its team is used up for today or this month; repeating the request cannot help."""

    status = 429
    type = "insufficient_quota"
    code = "insufficient_quota"
    should_retry = False


class UpstreamFailed(GatewayError):
    """Upstream answered, and the answer holds no picture. A retry would buy again, so none is invited."""

    status = 502
    code = "upstream_error"
    should_retry = False


class OutcomeUnknown(GatewayError):
    """A paid call went out and its answer was lost: it may have been charged, and we never send it again."""

    status = 502
    code = "outcome_unknown"
    should_retry = False


class Unavailable(GatewayError):
    """Nothing was bought; the same request may succeed a little later."""

    status = 503
    code = "upstream_unavailable"
    should_retry = True

    def __init__(self, message: str, *, code: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, code=code, retry_after=retry_after)


class DeadlineExceeded(GatewayError):
    """The picture is still being made, but this request has waited as long as it may."""

    status = 504
    code = "timeout"
    should_retry = True

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=1.0)

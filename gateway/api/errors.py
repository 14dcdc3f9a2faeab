"""The one place where an error becomes an answer: OpenAI's envelope, all four keys, always."""

import math
from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from gateway.errors import GatewayError, InvalidRequest

_FRAMEWORK = {
    404: ("not_found", "There is nothing at this path. POST /v1/images/generations makes images; /docs tells more."),
    405: ("method_not_allowed", "This path does not take this method."),
    408: ("request_timeout", "The request's headers took too long to arrive."),
    413: ("request_too_large", "The body is larger than this gateway takes."),
    415: ("unsupported_media_type", "Send the body as JSON, with content-type: application/json."),
    431: ("headers_too_large", "The request's headers are larger than this gateway takes."),
}


def envelope(message: str, kind: str, param: str | None, code: str | None) -> bytes:
    """Render an error body."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def envelope_of(error: GatewayError) -> bytes:
    """Render the body of an error of ours."""
    return envelope(error.message, error.type, error.param, error.code)


def framework_envelope(status: int, detail: str) -> bytes:
    """Render what the framework or the HTTP server refuses; `detail` is told where we have no words of our own."""
    code, message = _FRAMEWORK.get(status, ("invalid_request", detail))
    return envelope(message, "invalid_request_error", None, code)


def headers_of(error: GatewayError) -> dict[str, str]:
    """Tell SDKs whether and when to try again."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        wait = min(max(error.retry_after, 0.001), 60.0)
        headers["retry-after"] = str(max(1, math.ceil(wait)))
        headers["retry-after-ms"] = str(math.ceil(wait * 1000))
    if error.should_retry is not None:
        headers["x-should-retry"] = "true" if error.should_retry else "false"
    return headers


def respond(error: GatewayError) -> Response[bytes]:
    """Answer with an error of ours."""
    return Response(
        envelope_of(error),
        status_code=error.status,
        headers=headers_of(error),
        media_type=MediaType.JSON,
    )


class ClientLeft(Exception):
    """The client closed its connection; there is nobody to answer."""


def handle(request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
    """Answer any exception that a handler, or the framework, lets through."""
    error = exception if isinstance(exception, GatewayError) else None
    if isinstance(exception, ClientLeft):
        return Response(b"", status_code=499)  # nginx's word for it; only the log will see it
    if isinstance(exception, UnicodeDecodeError):
        error = InvalidRequest("The body is not valid UTF-8.", code="invalid_json")
    if error is not None:
        request.scope["state"]["facts"]["error_code"] = error.code
        return respond(error)
    if isinstance(exception, HTTPException) and exception.status_code < 500:
        return Response(
            framework_envelope(exception.status_code, exception.detail),
            status_code=exception.status_code,
            headers=_allowed(exception),
            media_type=MediaType.JSON,
        )
    request.scope["state"]["error"] = exception
    return respond(fault())


def _allowed(exception: HTTPException) -> dict[str, str]:
    """Name the methods of a path; what answers GET answers HEAD."""
    named = {name.lower(): value for name, value in (exception.headers or {}).items()}.get("allow")
    return {"allow": named.replace("GET", "GET, HEAD")} if named else {}


def fault() -> GatewayError:
    """Make the answer to a fault of our own; it invites no retry, for something may have been bought."""
    return GatewayError("The gateway failed; the fault is logged under the request id.", should_retry=False)

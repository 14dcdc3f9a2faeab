"""How Aihubmix words a failure."""

from typing import Any
from uuid import uuid4

from gateway.sandbox.wire import Reply, json_reply

MODEL_UNKNOWN = (
    "Incorrect model ID. Please request to view the model page or you do not have permission to use this model "
)


def failure(
    status: int,
    message: str,
    *,
    kind: str = "Aihubmix_api_error",
    param: str | None = None,
    code: str | int | None = None,
) -> Reply:
    """Word an error in Aihubmix's envelope, with the request id in its message and in `x-request-id`."""
    request_id = uuid4().hex
    error: dict[str, Any] = {"message": f"{message} (tid: {request_id})", "type": kind, "param": param, "code": code}
    reply = json_reply({"error": error}, status)
    reply.headers["x-request-id"] = request_id
    return reply


def adaptor_failure(message: str, status: int = 400) -> Reply:
    """Word an error in the adaptors' own form: a second `type` outside, neither `code` nor `param`."""
    request_id = uuid4().hex
    error = {"message": f"{message} (tid: {request_id})", "type": "Aihubmix_api_error"}
    reply = json_reply({"error": error, "type": "error"}, status)
    reply.headers["x-request-id"] = request_id
    return reply


def model_unknown(status: int = 400) -> Reply:
    """Deny a model, or this key's right to it; 400 was observed, 503 is what the help page says."""
    if status == 503:
        return failure(503, "No available channel for the model under the current group", code="model_not_found")
    if status == 404:
        return failure(404, "The requested model does not exist", kind="invalid_request_error", code="model_not_found")
    return adaptor_failure(MODEL_UNKNOWN, status)

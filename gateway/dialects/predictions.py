"""The call that most families share: one POST to `/v1/models/<path>/predictions`, answered with the pictures."""

from typing import Any

from gateway.catalog import Model
from gateway.dialects import replies
from gateway.dialects.base import Call, Result, Steps, Task


def submit(model: Model, payload: dict[str, Any]) -> Steps[Result | Task]:
    """Buy one part's pictures."""
    reply = yield Call(f"/v1/models/{model.path}/predictions", {"input": payload}, billable=True)
    return replies.read(model, reply)

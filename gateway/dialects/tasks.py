"""The poll loop of an asynchronous task (Aihubmix document, section Flux; statuses as in BFL's reference)."""

from typing import Any
from urllib.parse import quote

from gateway.catalog import Model, Poll
from gateway.dialects import replies
from gateway.dialects.base import Call, Image, Reply, Result, Steps, Wait
from gateway.dialects.refusals import moderated, said
from gateway.errors import OutcomeUnknown, UpstreamFailed

_PACE = Poll(first_s=1.0, factor=1.25, max_s=5.0)
_LOST = "task not found"
_LOST_AFTER_S = 15.0
_READY = frozenset({"ready", "succeeded", "completed"})
_UNDER_WAY = frozenset({"pending", "reasoning", "generating", _LOST})


def collect(model: Model, task: str) -> Steps[Result]:
    """Poll until the picture is ready; a model that is not known for tasks may be given one all the same.

    The id is opaque and dotted. `polling_url` is never called: it is not on a host that the key may go to.
    """
    pace = model.poll or _PACE
    delay, missed_for = pace.first_s, 0.0
    while True:
        yield Wait(delay)
        reply = yield Call(f"/v1/tasks/{quote(task, safe='')}", method="GET", origin="tasks")
        status = _status(reply)
        result = _finished(model, status, reply)
        if result is not None:
            return result
        missed_for = missed_for + delay if status == _LOST else 0.0
        if missed_for > _LOST_AFTER_S:
            raise OutcomeUnknown(
                "Upstream accepted the task and then no longer knew it. It may have been charged, so it is not "
                "submitted again. Send 'Cache-Control: no-cache' or a new Idempotency-Key to buy it anew."
            )
        delay = min(delay * pace.factor, pace.max_s)


def _body(reply: Reply) -> dict[str, Any]:
    return reply.json if isinstance(reply.json, dict) else {}


def _status(reply: Reply) -> str:
    """Read the task's status in lower case; a 404 is a task not (yet, or no longer) known."""
    return _LOST if reply.status == 404 else str(_body(reply).get("status") or "").lower()


def _finished(model: Model, status: str, reply: Reply) -> Result | None:
    """Return the pictures, raise for a status that ends the task without any, or tell that it goes on.

    A picture under an unknown status, or under none, is delivered: it is paid for.
    """
    detail = said(_body(reply).get("details") or _body(reply).get("detail"))
    if status.endswith("moderated"):
        raise moderated(model, f"{status}: {detail}" if detail else status)
    if status in {"error", "failed"}:
        raise UpstreamFailed("The model failed to make the picture." + (f" It said: {detail}" if detail else ""))
    if status in _UNDER_WAY:
        return None
    images = [Image(image.data, image.url) for image in replies.images_in(reply.json)]  # its prompt is but an echo
    if not images and status in _READY:
        raise UpstreamFailed(
            f"The task of '{model.id}' is ready, but holds no picture. It may have been charged; it is not sent again."
        )
    return Result(images) if images else None

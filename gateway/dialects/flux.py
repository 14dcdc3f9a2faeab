"""The asynchronous Flux models: submit, then poll the task (Aihubmix document, section Flux; statuses as in BFL's)."""

from typing import Any
from urllib.parse import quote

from gateway.catalog import Model, Poll
from gateway.dialects import predictions, readers, references, replies, sizes
from gateway.dialects.ask import Ask
from gateway.dialects.base import Call, Draft, Image, Reply, Result, Steps, Wait
from gateway.dialects.refusals import moderated
from gateway.errors import OutcomeUnknown, UpstreamFailed

PARAMS = {"prompt_upsampling": readers.boolean}

_LAX = 5
_STRICTEST_CEILING_WITH_REFERENCE = 2
_LOST_AFTER_S = 15.0

submit = predictions.submit


def draft(ask: Ask) -> Draft:
    """Translate a request; the ratio is always sent, since its default upstream is disputed."""
    images = references.take(ask)
    payload: dict[str, Any] = {"prompt": ask.prompt, "aspect_ratio": ratio(ask) or "1:1"}
    payload |= tolerance(ask, has_reference=bool(images)) | ask.native(PARAMS)
    seed = ask.seed(0, 2**32 - 1)
    if seed is not None:
        payload["seed"] = seed
    wanted = ask.field("output_format")
    if wanted in ask.model.output_formats:
        payload["output_format"] = wanted
    if images:
        payload[ask.model.reference.field] = images[0]
    return Draft(payload)


def ratio(ask: Ask) -> str | None:
    """Take the aspect ratio, any from 21:9 to 9:21."""
    return sizes.ratio(ask)


def tolerance(ask: Ask, *, has_reference: bool = False) -> dict[str, int]:
    """Take `safety_tolerance` (0 strictest to 6, at most 2 with a reference image), or `moderation: low` for it."""
    highest = _STRICTEST_CEILING_WITH_REFERENCE if has_reference else 6
    native = ask.read("safety_tolerance", readers.integer(0, 6))
    if native is not None:
        if native > highest:
            raise ask.refuse(
                "safety_tolerance",
                f"Invalid 'safety_tolerance': with a reference image it is at most {highest}, but got {native}.",
            )
        return {"safety_tolerance": native}
    if ask.chosen("moderation") != "low":
        return {}
    lax = min(_LAX, highest)
    ask.adjusted["moderation"] = f"safety_tolerance:{lax}"
    return {"safety_tolerance": lax}


def collect(model: Model, task: str) -> Steps[Result]:
    """Poll until the picture is ready.

    The id is opaque and dotted. `polling_url` is never called: it is not on a host that the key may go to.
    """
    pace = model.poll or Poll(first_s=1.0, factor=1.25, max_s=5.0)
    delay, missed_for = pace.first_s, 0.0
    while True:
        yield Wait(delay)
        reply = yield Call(f"/v1/tasks/{quote(task, safe='')}", method="GET", origin="tasks")
        status = _status(reply)
        if status in {"ready", "succeeded", "completed"}:
            return _result(model, reply)
        if status == "task not found":
            missed_for += delay
            if missed_for > _LOST_AFTER_S:
                raise OutcomeUnknown(
                    "Upstream accepted the task and then no longer knew it. It may have been charged, so it is not "
                    "submitted again. Send the request anew to buy it anew."
                )
        else:
            missed_for = 0.0
            _raise_if_over(model, status, reply)
        delay = min(delay * pace.factor, pace.max_s)


def _body(reply: Reply) -> dict[str, Any]:
    return reply.json if isinstance(reply.json, dict) else {}


def _status(reply: Reply) -> str:
    """Read the task's status in lower case; a 404 is a task not (yet, or no longer) known."""
    if reply.status == 404:
        return "task not found"
    return str(_body(reply).get("status") or "pending").lower()


def _raise_if_over(model: Model, status: str, reply: Reply) -> None:
    """Raise for a status that ends the task; any other, known or not, means it is still being made."""
    detail = _body(reply).get("details") or _body(reply).get("detail")
    if status.endswith("moderated"):
        raise moderated(model, status)
    if status in {"error", "failed"}:
        said = f" It said: {readers.show(detail)}" if detail else ""
        raise UpstreamFailed(f"The model failed to make the picture.{said}")


def _result(model: Model, reply: Reply) -> Result:
    body = _body(reply)
    inner = body.get("result") or body.get("output")
    found = replies.images_in(inner)
    if not found:
        raise UpstreamFailed(
            f"The task of '{model.id}' is ready, but holds no picture. It may have been charged; it is not sent again."
        )
    return Result([Image(image.data, image.url) for image in found])

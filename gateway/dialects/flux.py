"""The asynchronous Flux models: submit, then poll the task (Aihubmix document, section Flux; ranges as in BFL's)."""

from typing import Any

from gateway.dialects import predictions, readers, references, sizes, tasks
from gateway.dialects.ask import Ask
from gateway.dialects.base import Draft

PARAMS = {"prompt_upsampling": readers.boolean}

_LAX = 5
_STRICTEST_CEILING_WITH_REFERENCE = 2

submit = predictions.submit
collect = tasks.collect


def draft(ask: Ask) -> Draft:
    """Translate a request; the ratio is always sent, since its default upstream is disputed."""
    images = references.take(ask)
    payload: dict[str, Any] = {"prompt": ask.prompt, "aspect_ratio": ratio(ask) or "1:1"}
    payload |= tolerance(ask, has_reference=bool(images)) | ask.native(PARAMS)
    seed = ask.seed(0, 2**31 - 1)
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

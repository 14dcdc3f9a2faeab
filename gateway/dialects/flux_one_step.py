"""The one-step Flux models: an OpenAI-like call with a top-level body (Aihubmix document, section Flux)."""

from typing import Any

from gateway.catalog import Model
from gateway.dialects import flux, references, replies, tasks
from gateway.dialects.ask import Ask
from gateway.dialects.base import Call, Draft, Result, Steps, Task

collect = tasks.collect


def draft(ask: Ask) -> Draft:
    """Translate a request; the ratio is sent only when one is asked for."""
    references.take(ask)
    ratio = flux.ratio(ask)
    payload: dict[str, Any] = {"model": ask.model.path, "prompt": ask.prompt}
    if ratio:
        payload["aspect_ratio"] = ratio
    return Draft(payload | flux.tolerance(ask))


def submit(model: Model, payload: dict[str, Any]) -> Steps[Result | Task]:
    """Buy one picture."""
    reply = yield Call("/v1/images/generations", payload, billable=True)
    return replies.read(model, reply)

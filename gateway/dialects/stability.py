"""Stable Diffusion 3.5 Large (Aihubmix document, section Stability; ranges as in Stability's reference)."""

from typing import Any

from gateway.dialects import predictions, readers, references, sizes, tasks
from gateway.dialects.ask import Ask
from gateway.dialects.base import Draft

PARAMS = {"negative_prompt": readers.text(max_chars=10_000)}

submit = predictions.submit
collect = tasks.collect


def draft(ask: Ask) -> Draft:
    """Translate a request; the document shows only the prompt and the count, so a square sends no ratio."""
    references.take(ask)
    payload: dict[str, Any] = {"prompt": ask.prompt} | ask.native(PARAMS)
    ratio = sizes.ratio(ask)
    if ratio and ratio != "1:1":
        payload["aspect_ratio"] = ratio
    seed = ask.seed(0, 4_294_967_294)
    if seed is not None:
        payload["seed"] = seed
    wanted = ask.field("output_format")
    if wanted in ask.model.output_formats:
        payload["output_format"] = wanted
    return Draft(payload)

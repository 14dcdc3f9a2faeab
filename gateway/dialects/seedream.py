"""Doubao Seedream 4.0 (Aihubmix document, section doubao-seedream-4-0-250828; ranges as in Ark's reference)."""

from typing import Any

from gateway.dialects import predictions, readers, references, sizes, tasks
from gateway.dialects.ask import Ask
from gateway.dialects.base import Draft

RANDOM_SEED = -1
MAX_SEED = 2**31 - 1

PARAMS = {"watermark": readers.boolean}

submit = predictions.submit
collect = tasks.collect


def draft(ask: Ask) -> Draft:
    """Translate a request; five parameters are always sent, since their defaults upstream cost money or marks."""
    if ask.read("sequential_image_generation", readers.text()) not in {None, "disabled"}:
        raise ask.refuse(
            "sequential_image_generation",
            "Invalid value for 'sequential_image_generation': only 'disabled' is supported, since 'auto' buys up to "
            "15 images. Ask for several by 'n'.",
        )
    payload: dict[str, Any] = {
        "prompt": ask.prompt,
        "size": sizes.free(ask),
        "sequential_image_generation": "disabled",
        "stream": False,
        "response_format": "url",
        "watermark": False,
    } | ask.native(PARAMS)
    seed = ask.read("seed", readers.integer(RANDOM_SEED, MAX_SEED))
    if seed is not None:
        payload["seed"] = seed if seed == RANDOM_SEED else ask.seed(0, MAX_SEED)
    images = references.take(ask)
    if images:
        payload[ask.model.reference.field] = images[0] if len(images) == 1 else images
    return Draft(payload)

"""Qwen and Baidu's iRAG, both on Qianfan (Aihubmix document, sections Qwen and Baidu)."""

from typing import Any

from gateway.dialects import predictions, readers, references, sizes, tasks
from gateway.dialects.ask import Ask
from gateway.dialects.base import Draft

PARAMS = {
    "feature": readers.choice("variation"),
    "guidance": readers.number(1, 20),
    "negative_prompt": readers.text(max_chars=800),
    "prompt_extend": readers.boolean,
    "steps": readers.integer(1, 50),
    "user": readers.text(max_chars=512),
    "watermark": readers.boolean,
}

submit = predictions.submit
collect = tasks.collect


def draft(ask: Ask) -> Draft:
    """Translate a request; a watermark, upstream's default, is added only where the client asks for it."""
    payload: dict[str, Any] = {"prompt": ask.prompt, "watermark": False} | ask.native(PARAMS)
    size = sizes.free(ask)
    if size:
        payload["size"] = size
    if "seed" in ask.model.params:
        seed = ask.seed(0, 2**31 - 1)
        payload |= {} if seed is None else {"seed": seed}
    images = references.take(ask)
    if images:
        payload[ask.model.reference.field] = images[0] if len(images) == 1 else images
    return Draft(payload)

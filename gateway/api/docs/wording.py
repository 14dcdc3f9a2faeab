"""What the fields and headers of an answer mean."""

from typing import Any

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}

FIELDS: dict[str, dict[str, str]] = {
    "ImagesResponse": {
        "created": "Unix seconds.",
        "data": "The images. Fewer than asked for if some of the parallel calls failed; the cost counts these.",
        "usage": "Tokens as upstream counted them; all zero where it reports none.",
        "background": "`transparent` or `opaque`.",
        "output_format": "`png`, `jpeg`, `webp` or `gif`, read from the bytes.",
        "quality": "`low`, `medium` or `high`, where the model knows qualities and one is known.",
        "size": "The first image's `WIDTHxHEIGHT`, read from its bytes.",
    },
    "ImageItem": {
        "b64_json": "The image in plain base64.",
        "url": "A signed URL on this gateway, valid for `images.url_life_s`. It needs no key.",
        "revised_prompt": "The prompt as the model rewrote it.",
    },
    "UsageBlock": {
        "total_tokens": "Input and output.",
        "input_tokens": "The prompt and the reference images.",
        "output_tokens": "The images.",
        "input_tokens_details": "What the input was made of.",
        "output_tokens_details": "What the output was made of.",
    },
    "InputTokens": {"text_tokens": "The prompt.", "image_tokens": "The reference images."},
    "OutputTokens": {"image_tokens": "The images.", "text_tokens": "Always 0."},
    "ModelList": {"data": "The models that your key may use.", "object": "Always `list`."},
    "ModelObject": {
        "id": "What a request names in `model`.",
        "created": "Unix seconds.",
        "owned_by": "Who made the model.",
        "object": "Always `model`.",
    },
}
"""What each field of an answer means."""

HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "x-request-id": ("On every answer. Name it when you report a problem.", TEXT),
    "openai-processing-ms": ("How long the gateway took, in milliseconds.", WHOLE),
    "openai-version": ("OpenAI's version of the interface.", TEXT),
    "x-gateway-generation-id": ("The generation, as the gateway's log names it.", TEXT),
    "x-gateway-cost-usd": ("What the images cost, in US dollars; absent if the model has no known price.", TEXT),
    "x-gateway-cache": (
        "`bypass`: the images were made for this request. `joined`: for one whose client had left.",
        TEXT,
    ),
    "x-gateway-adjusted": ("What was honoured as nearly as the model can: `size=16:9,seed=7..9`.", TEXT),
    "x-gateway-ignored": ("What was not honoured at all: `style,foo`.", TEXT),
    "retry-after": ("Seconds to wait before trying again, 1 to 60.", WHOLE),
    "retry-after-ms": ("The same in milliseconds.", WHOLE),
    "x-should-retry": ("`true` or `false`; overrides the SDK's own rule for the status.", TEXT),
}
"""Every header of ours, what it means and its type."""

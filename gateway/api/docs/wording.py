"""What the fields and headers of an answer mean."""

from typing import Any, get_args

from gateway.generation.ticket import CacheWord

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
    "x-gateway-cost-usd": (
        "What the images cost, in US dollars; 0 on a hit or a join; absent if the model has no known price.",
        TEXT,
    ),
    "x-gateway-cache": (
        (
            "`hit`: made for an earlier, identical request. `joined`: made for one that was under way, or whose client "
            "had left. `miss`: made for this one. `bypass`: the same, because it or its key passes the cache by."
        ),
        {"type": "string", "enum": list(get_args(CacheWord))},
    ),
    "age": ("On a hit: how long ago the images were made, in seconds.", WHOLE),
    "x-gateway-adjusted": ("What was honoured as nearly as the model can: `size=16:9,seed=7..9`.", TEXT),
    "x-gateway-ignored": ("What was not honoured at all: `style,foo`.", TEXT),
    "retry-after": ("Seconds to wait before trying again, 1 to 60.", WHOLE),
    "retry-after-ms": ("The same in milliseconds.", WHOLE),
    "x-should-retry": ("`true` or `false`; overrides the SDK's own rule for the status.", TEXT),
    "x-ratelimit-limit-requests": (
        "Requests a minute: the limit of the key or its team, whichever has less left.",
        WHOLE,
    ),
    "x-ratelimit-remaining-requests": ("How many more are allowed now.", WHOLE),
    "x-ratelimit-reset-requests": ("Until when none would count any more: `6m0s`.", TEXT),
    "x-ratelimit-limit-images": ("Images a day, the same way.", WHOLE),
    "x-ratelimit-remaining-images": ("How many more are allowed today.", WHOLE),
    "x-ratelimit-reset-images": ("Until the next day, UTC: `23h59m59s`.", TEXT),
}
"""Every header of ours, what it means and its type."""

REQUEST_HEADERS: dict[str, str] = {
    "Cache-Control": "`no-cache`: make it anew, for later requests as well. `no-store`: make it anew, for this request "
    "alone. `max-age=60`: take no image that is older than a minute.",
    "Idempotency-Key": "Up to 255 characters. The same key and body of the same API key are bought once, and answered "
    "alike for a day, whatever `Cache-Control` says.",
}
"""What a request for images may say besides its body."""

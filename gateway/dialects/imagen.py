"""Google Imagen (Aihubmix document, section Google Imagen; parameters as in Google's Imagen reference)."""

from typing import Any

from gateway.dialects import predictions, readers, references, sizes, tasks
from gateway.dialects.ask import Ask
from gateway.dialects.base import Draft

PARAMS = {
    "negativePrompt": readers.text(max_chars=32_000),
    "personGeneration": readers.choice("DONT_ALLOW", "ALLOW_ADULT", "dont_allow", "allow_adult", "allow_all"),
    "safetySetting": readers.choice("block_low_and_above", "block_medium_and_above", "block_only_high", "block_none"),
    "sampleImageSize": readers.choice("1K", "2K"),
}

submit = predictions.submit
collect = tasks.collect


def draft(ask: Ask) -> Draft:
    """Translate a request; the plan adds `numberOfImages`, whose default upstream is four paid images."""
    references.take(ask)
    spelled = "aspectRatio" if "aspectRatio" in ask else "aspect_ratio"
    payload: dict[str, Any] = {"prompt": ask.prompt}
    ratio = sizes.ratio(ask, spelled)
    if ratio:
        payload["aspectRatio"] = ratio
    payload |= ask.native(PARAMS)
    sharp = spelled not in ask and 0 < ask.model.two_k_from_pixels <= sizes.pixels(ask)
    if sharp and "sampleImageSize" not in payload:
        payload["sampleImageSize"] = "2K"
    seed = ask.seed(0, 2**32 - 1)
    if seed is not None:
        payload["seed"] = seed
    options = _output_options(ask)
    if options:
        payload["outputOptions"] = options
    return Draft(payload, compressed="compressionQuality" in options)


def _output_options(ask: Ask) -> dict[str, Any]:
    """Ask for PNG or JPEG where the client does; what Imagen cannot encode the gateway transcodes."""
    wanted = ask.field("output_format")
    if wanted not in ask.model.output_formats:
        return {}
    options: dict[str, Any] = {"mimeType": f"image/{wanted}"}
    compression = ask.field("output_compression")
    if wanted == "jpeg" and compression is not None:
        options["compressionQuality"] = compression
    return options

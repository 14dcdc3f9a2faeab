"""Every provider says no in its own words, and nothing is billed."""

import httpx
import pytest

from tests.support.sandbox_calls import ASYNCHRONOUS, MODELS, buy

INPUT = {
    "gpt-image-1": (400, "moderation_blocked"),
    "dall-e-3": (400, "content_policy_violation"),
    "imagen-3.0-generate-002": (200, "raiFilteredReason"),
    "FLUX-1.1-pro": (400, "content management policy"),
    "doubao-seedream-4-0-250828": (400, "InputTextSensitiveContentDetected"),
    "V3": (422, "failed safety check"),
    "Stable-Diffusion-3-5-Large": (200, "Filter reason: prompt"),
    "Qwen-Image": (400, "sensitive"),
}
OUTPUT = {
    "gpt-image-1": (400, "moderation_blocked"),
    "imagen-3.0-generate-002": (200, "raiFilteredReason"),
    "doubao-seedream-4-0-250828": (200, "OutputImageSensitiveContentDetected"),
    "V3": (200, '"is_image_safe":false'),
    "Stable-Diffusion-3-5-Large": (200, "CONTENT_FILTERED"),
}
PLAIN = {
    "unknown-model-400": (400, "Incorrect model ID."),
    "unknown-model-404": (404, "does not exist"),
    "unknown-model-503": (503, "No available channel for the model"),
    "no-adaptor": (400, "get_adaptor_failed"),
    "http-401": (401, "Invalid token"),
    "http-403": (403, "insufficient_user_quota"),
    "http-429": (429, "Rate limit"),
    "http-500": (500, "Internal server error"),
    "http-502": (502, "<html>"),
    "http-503": (503, "overloaded"),
    "error-200": (200, '"error"'),
}


@pytest.mark.parametrize(("drill", "table"), [("moderated", INPUT), ("moderated-output", OUTPUT)])
def test_moderation_in_each_providers_words(sandbox, drill, table):
    """The status and the telling word of the provider's reference."""
    for model, (status, word) in table.items():
        reply = buy(sandbox, model, prompt=f"[[sandbox:{drill}]]")
        assert reply.status_code == status, model
        assert word in reply.text, model
    assert sandbox.stats().paid_calls == 0


@pytest.mark.parametrize("model", [model for model in MODELS if model not in ASYNCHRONOUS])
def test_no_model_delivers_when_moderated(sandbox, model):
    """No moderated call bills, whatever the model."""
    buy(sandbox, model, prompt="[[sandbox:moderated]]")
    buy(sandbox, model, prompt="[[sandbox:moderated-output]]")
    assert sandbox.stats().paid_calls == 0
    assert sandbox.stats().refused_calls == 2


@pytest.mark.parametrize("drill", PLAIN)
@pytest.mark.parametrize("model", ["V3", "flux-kontext-max", "FLUX-1.1-pro"])
def test_plain_failures(sandbox, model, drill):
    """Status and text as told, unbilled, on synchronous, asynchronous and one-step models."""
    status, word = PLAIN[drill]
    reply = buy(sandbox, model, prompt=f"[[sandbox:{drill}]]")
    assert reply.status_code == status
    assert word in reply.text
    assert sandbox.stats().paid_calls == 0


def test_too_many_requests_says_when_to_retry(sandbox):
    """The drill's number is the `retry-after`."""
    assert buy(sandbox, "V3", prompt="[[sandbox:http-429=7]]").headers["retry-after"] == "7"


def test_a_gateway_timeout_was_paid_for(sandbox):
    """504 is a proxy's page over work that was done and billed."""
    reply = buy(sandbox, "V3", prompt="[[sandbox:http-504]]")
    assert (reply.status_code, reply.headers["content-type"]) == (504, "text/html")
    assert sandbox.stats().images == 1


def test_a_reset_before_processing_costs_nothing(sandbox):
    """The connection is reset, and the record shows no answer and no bill."""
    with pytest.raises(httpx.ReadError):
        buy(sandbox, "V3", prompt="[[sandbox:reset]]")
    (call,) = sandbox.calls
    assert (call.status, call.billed_images) == (None, 0)

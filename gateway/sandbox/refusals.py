"""How each provider says no, as it arrives through Aihubmix."""

from collections.abc import Callable

from gateway.sandbox.drills import Drills
from gateway.sandbox.envelope import adaptor_failure, failure, model_unknown
from gateway.sandbox.models import Model
from gateway.sandbox.wire import Ending, Reply, json_reply

_ARK_INPUT = "The request failed because the input text may contain sensitive information."
_ARK_OUTPUT = "The request failed because the output image may contain sensitive information."
_RAI = "The image was filtered because it may violate the safety policies. Support codes: 58061214"


def refusal(model: Model, drills: Drills) -> Reply | None:
    """Find the reply of the first drill that refuses the call before it costs anything, or None."""
    if "moderated" in drills:
        return _moderated(model)
    if "moderated-output" in drills:
        return _moderated_output(model)
    if "http-429" in drills:
        reply = failure(429, "Rate limit reached, please slow down", code="rate_limit_exceeded")
        reply.headers["retry-after"] = f"{drills['http-429']:g}"
        return reply
    return next((reply() for name, reply in _PLAIN.items() if name in drills), None)


def gateway_timeout() -> Reply:
    """Answer with a proxy's own page: the answer took longer than the proxy waits."""
    return _page(504, "504 Gateway Time-out")


def _page(status: int, title: str) -> Reply:
    body = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return Reply(status=status, body=body.encode(), content_type="text/html")


_PLAIN: dict[str, Callable[[], Reply]] = {
    "unknown-model-400": model_unknown,
    "unknown-model-404": lambda: model_unknown(404),
    "unknown-model-503": lambda: model_unknown(503),
    "no-adaptor": lambda: adaptor_failure("get_adaptor_failed"),
    "http-401": lambda: failure(401, "Invalid token", code="invalid_api_key"),
    "http-403": lambda: failure(403, "The user quota is not enough", code="insufficient_user_quota"),
    "http-500": lambda: failure(500, "Internal server error"),
    "http-502": lambda: _page(502, "502 Bad Gateway"),
    "http-503": lambda: failure(503, "Service temporarily overloaded, please try again later"),
    "error-200": lambda: adaptor_failure("upstream_failed", 200),
    "reset": lambda: Reply(ending=Ending.RESET),
}


def _moderated(model: Model) -> Reply | None:
    """Refuse a prompt; None where it is the task that will say so."""
    return _MODERATED[model.provider]()


def _moderated_output(model: Model) -> Reply | None:
    if output := _MODERATED_OUTPUT.get(model.provider):
        return output()
    return _moderated(model)


def _openai() -> Reply:
    message = (
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        "help.openai.com and include the request ID. safety_violations=[violence]."
    )
    return failure(400, message, kind="image_generation_user_error", param="", code="moderation_blocked")


def _dalle() -> Reply:
    message = (
        "Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed "
        "by our safety system."
    )
    return failure(400, message, kind="invalid_request_error", code="content_policy_violation")


def _azure() -> Reply:
    message = (
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
        "modify your prompt and retry."
    )
    return failure(400, message, kind="invalid_request_error", param="prompt", code="content_filter")


def _ideogram() -> Reply:
    # The code is an integer here: Aihubmix's adaptors do that.
    message = "Prompt provided failed safety check due to the inclusion of prohibited content."
    return failure(422, message, code=422)


def _ideogram_output() -> Reply:
    unsafe = {"url": "", "prompt": "", "resolution": "1024x1024", "is_image_safe": False, "seed": 1}
    return json_reply({"output": [unsafe]})


def _stability(reason: str) -> Reply:
    return json_reply({"output": {"images": [], "finish_reasons": [reason], "seeds": [1]}})


_MODERATED: dict[str, Callable[[], Reply | None]] = {
    "openai": _openai,
    "dalle": _dalle,
    "imagen": lambda: json_reply({"output": [], "raiFilteredReason": _RAI}),
    "bfl": lambda: None,
    "azure": _azure,
    "ark": lambda: failure(400, _ARK_INPUT, kind="BadRequest", code="InputTextSensitiveContentDetected"),
    "ideogram": _ideogram,
    "stability": lambda: _stability("Filter reason: prompt"),
    "baidu": lambda: failure(400, "The content is sensitive and did not pass the review", code="content_sensitive"),
}
_MODERATED_OUTPUT: dict[str, Callable[[], Reply]] = {
    "imagen": lambda: json_reply({"output": [{"raiFilteredReason": _RAI}]}),
    "ark": lambda: json_reply(
        {"output": [{"error": {"code": "OutputImageSensitiveContentDetected", "message": _ARK_OUTPUT}}]}
    ),
    "ideogram": _ideogram_output,
    "stability": lambda: _stability("CONTENT_FILTERED"),
}

"""What upstream's "no" means, in all its spellings (Aihubmix, HTTP codes; each provider's moderation signal)."""

import re
from typing import Any, NoReturn

import msgspec

from gateway.catalog import Model
from gateway.dialects.base import Reply
from gateway.errors import (
    GatewayError,
    InvalidRequest,
    Moderated,
    NotFound,
    OutcomeUnknown,
    Unavailable,
    UpstreamFailed,
)

_MODERATED = re.compile(
    r"moderation_blocked|content_policy_violation|safety.system|SensitiveContentDetected|content.?filter"
    r"|ResponsibleAI|(request|content) moderated|filter reason|unsafe|sensitive (content|word)|safety check|审核|敏感",
    re.IGNORECASE,
)
_UNKNOWN_MODEL = re.compile(
    r"incorrect model id|get_adaptor_failed|model_not_found|no available channel|model (name )?(is )?(wrong|unknown)"
    r"|model.{0,60}(does not exist|not found|not available|no permission|no channel)"
    r"|(no|without) permission.{0,30}model"
    r"|permission to use this model|无可用渠道|模型不存在",
    re.IGNORECASE | re.DOTALL,
)
_OUR_QUOTA = re.compile(
    r"insufficient_(user_)?quota|exceeded your current quota|balance|billing|余额|欠费", re.IGNORECASE
)

_LOST_BEHIND_A_PROXY = {502, 504, *range(520, 528)}


def moderated(model: Model, detail: str = "") -> Moderated:
    """Make the refusal that OpenAI's own clients recognise: by code, or by the words "safety system"."""
    message = "Your request was rejected by the safety system of the model."
    said = f" It said: {_clean(detail)}" if detail else ""
    if model.id.startswith("dall-e"):
        return Moderated(message + said, type="invalid_request_error", code="content_policy_violation", param="prompt")
    return Moderated(message + said, param="prompt")


def _clean(text: str) -> str:
    """Upstream's words without its addresses, keys and trace ids, short enough to read."""
    text = re.sub(
        r"https?://\S+|\bsk-\S+|\(tid: [^)]*\)|(request id|trace ?id)[:=]?\s*\S+", "", text, flags=re.IGNORECASE
    )
    text = re.sub(r"aihubmix\w*", "upstream", text, flags=re.IGNORECASE)
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:297] + "..."


def _words(value: Any, depth: int = 0) -> list[str]:
    """Every string of an error body, most of them: message, code, type, nested JSON in strings included."""
    if depth > 4:
        return []
    if isinstance(value, str):
        if value.lstrip().startswith("{"):
            try:
                return _words(msgspec.json.decode(value), depth + 1) or [value]
            except (msgspec.DecodeError, RecursionError):
                return [value]
        return [value]
    if isinstance(value, dict):
        return [word for item in value.values() for word in _words(item, depth + 1)]
    if isinstance(value, list):
        return [word for item in value[:10] for word in _words(item, depth + 1)]
    return []


def error_of(body: Any) -> Any:
    """Find the error in a reply of whatever status, or None."""
    return body.get("error") if isinstance(body, dict) else None


def _message(body: Any) -> str:
    error = error_of(body) or body
    if isinstance(error, dict):
        found = error.get("message") or error.get("detail") or error.get("msg")
        return " ".join(_words(found)) if found else " ".join(_words(error))
    return " ".join(_words(error))


def raise_refusal(model: Model, reply: Reply) -> NoReturn:
    """Turn a reply that is an error into the error that the client gets.

    Raises:
        Unavailable: refused before acceptance (429, 503); nothing was bought and the call may be made again.
        OutcomeUnknown: an intermediary lost the answer (502, 504, 52x).
        GatewayError: anything else, each understood as far as it can be.

    """
    body = reply.json
    text = " ".join(_words(body)) or reply.content[:2000].decode("utf-8", "replace")
    message = _message(body)
    raise _refusal(model, reply, text, message)


def _refusal(model: Model, reply: Reply, text: str, message: str) -> GatewayError:
    status = reply.status
    if status in _LOST_BEHIND_A_PROXY:
        return OutcomeUnknown(
            f"Upstream's proxy answered {status}: the picture may have been made and charged, so the request is not "
            "sent again. Send it anew to buy it anew."
        )
    if status not in {401, 403} and _MODERATED.search(text):
        return moderated(model, message)
    if status == 404 or (status != 401 and _UNKNOWN_MODEL.search(text)):
        return NotFound(
            f"The model '{model.id}' does not exist upstream any more, or the gateway's account may not use it.",
            code="model_not_found",
            param="model",
        )
    if status in {402, 403, 429} and _OUR_QUOTA.search(text):
        return UpstreamFailed(
            "The gateway's own account upstream has no credit left. Its operators have been told; "
            "your key is not to blame.",
            code="upstream_quota",
        )
    if status in {401, 402, 403}:
        return UpstreamFailed(
            "Upstream rejects the gateway's own credentials. Its operators have been told; your key is not to blame.",
            code="upstream_auth",
        )
    if status in {429, 503}:
        return Unavailable(
            "The model takes no more requests at the moment; nothing was bought. Try again shortly.",
            retry_after=reply.retry_after or 1.0,
        )
    if status in {400, 413, 415, 422}:
        return InvalidRequest(f"The model refused the request: {_clean(message) or 'it gave no reason'}")
    return UpstreamFailed(f"Upstream failed ({status}) and made no picture. {_clean(message)}".rstrip())

"""What upstream's "no" means, in all its spellings (Aihubmix, HTTP codes; each provider's moderation signal)."""

import re
from contextlib import suppress
from typing import Any, NoReturn

import msgspec

from gateway import statuses
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
    r"moderation_blocked|content.?polic|content.?management.?polic|safety.(system|filter|check)|SensitiveContentDetected"
    r"|content.?filter|content.?moderation|responsible.?ai|(request|content) moderated|filter reason|prohibited content"
    r"|unsafe (content|image|prompt|input)|sensitive.?(content|word|information)|content.{0,4}sensitive|审核|敏感",
    re.IGNORECASE,
)
_UNKNOWN_MODEL = re.compile(
    r"incorrect model id|get_adaptor_failed|model_not_found|no available channel|model (name )?(is )?(wrong|unknown)"
    r"|model.{0,60}(does not exist|not found|not available (for|in|to)|no permission|no channel|deprecated|retired)"
    r"|(no|without) permission.{0,30}model|not (allowed|authori[sz]ed).{0,30}model"
    r"|permission to use this model|无可用的?渠道|模型不存在",
    re.IGNORECASE | re.DOTALL,
)
_OUR_QUOTA = re.compile(
    r"insufficient_(user_)?quota|exceeded your current quota|quota is not enough|billing.hard.limit"
    r"|insufficient.balance|balance.{0,10}insufficient|not enough balance|account.?overdue"
    r"|(额度|余额).{0,6}(不足|用尽|用完)|欠费",
    re.IGNORECASE,
)

_HIDDEN = re.compile(
    r"""
      \w+://\S+                                                            # addresses, hosts, IP numbers
    | \b(?:[\w-]+\.)+(?:com|cn|ai|net|org|io|dev|app|cloud|co)\b(?::\d+)?(?:/\S*)?
    | \b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?
    | \bbearer\s+\S+ | \bsk-\S+                                            # keys
    | \(?\b(?:tid|trace[ _-]?id|(?:x-)?request[ _-]?id|log[ _-]?id)\b["':=\s]*[^\s)]*\)?    # traces
    | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b
    | \b(?=\w*\d)\w{20,}\b                                                 # whatever else looks like either
    """,
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
_SENTENCES = ("error", "message", "detail", "msg")
_DEEPEST = 5
_MOST_ITEMS = 10
_MOST_READ = 20_000
_MOST_SHOWN = 300


def moderated(model: Model, detail: str = "") -> Moderated:
    """Make the refusal that OpenAI's own clients recognise: by code, or by the words "safety system"."""
    message = "Your request was rejected by the safety system of the model."
    said = f" It said: {_clean(detail)}" if detail else ""
    if model.id.startswith("dall-e"):
        return Moderated(message + said, type="invalid_request_error", code="content_policy_violation")
    return Moderated(message + said)


def _clean(text: str) -> str:
    """Upstream's words without its addresses, keys and trace ids, short enough to read."""
    text = re.sub(r"aihubmix\w*", "upstream", _HIDDEN.sub("…", text[:2_000]), flags=re.IGNORECASE)
    text = " ".join(text.split()).rstrip(" …,")
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def _unpacked(value: Any) -> Any:
    """Read JSON that travels inside a string, as upstream's messages do."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(msgspec.DecodeError, RecursionError):
            return msgspec.json.decode(value)
    return value


def _words(value: Any, depth: int = 0) -> list[str]:
    """Every string of an error body, most of them: message, code, type, nested JSON in strings included."""
    value = _unpacked(value)
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value[:_MOST_ITEMS] if isinstance(value, list) else ()
    return [word for item in items for word in _words(item, depth + 1)] if depth < _DEEPEST else []


def _message(value: Any, depth: int = 0) -> str:
    """Find the sentence meant for people in an error body, or all of its words."""
    value = _unpacked(value)
    if isinstance(value, list) and depth < _DEEPEST:
        return "; ".join(_message(item, depth + 1) for item in value[:_MOST_ITEMS])
    told = [value[key] for key in _SENTENCES if value.get(key)] if isinstance(value, dict) else []
    return _message(told[0], depth + 1) if told and depth < _DEEPEST else " ".join(_words(value))


def said(value: Any) -> str:
    """Put what upstream says in a part of a reply into words that a client may read."""
    return _clean(" ".join(_words(value)))


def raise_refusal(model: Model, reply: Reply) -> NoReturn:
    """Turn a reply that is an error into the error that the client gets.

    Raises:
        Unavailable: refused before acceptance (429, 503); nothing was bought and the call may be made again.
        OutcomeUnknown: an intermediary lost the answer (408, 502, 504, 52x) and says nothing of a refusal.
        GatewayError: anything else, each understood as far as it can be.

    """
    raise _understood(model, reply, _text(reply)) or _by_status(reply, _clean(_message(reply.json)))


def lacks_credit(reply: Reply) -> bool:
    """Tell whether a reply that is an error says that our account upstream has nothing left to pay with."""
    return reply.status == 402 or bool(_OUR_QUOTA.search(_text(reply)))


def _text(reply: Reply) -> str:
    return (" ".join(_words(reply.json)) or reply.content[:_MOST_READ].decode("utf-8", "replace"))[:_MOST_READ]


def _understood(model: Model, reply: Reply, text: str) -> GatewayError | None:
    """Read the refusals that are told by their words, whatever the status; a proxy's own page has none."""
    if reply.status in statuses.UNANSWERED and not isinstance(reply.json, dict):
        return None
    if reply.status != 401 and _MODERATED.search(text):
        return moderated(model, _message(reply.json))
    if lacks_credit(reply):
        return UpstreamFailed(
            "The gateway's own account upstream has no credit left. Its operators have been told; "
            "your key is not to blame.",
            code="upstream_quota",
        )
    if reply.status == 404 or (reply.status != 401 and _UNKNOWN_MODEL.search(text)):
        return NotFound(
            f"The model '{model.id}' does not exist upstream any more, or the gateway's account may not use it.",
            code="model_not_found",
            param="model",
        )
    return None


def _by_status(reply: Reply, message: str) -> GatewayError:
    status = reply.status
    if status in statuses.UNANSWERED:
        return OutcomeUnknown(
            f"Upstream's proxy answered {status}: the picture may have been made and charged, so the request is not "
            "sent again. Send 'Cache-Control: no-cache' or a new Idempotency-Key to buy it anew."
        )
    if status in {401, 403}:
        return UpstreamFailed(
            "Upstream rejects the gateway's own credentials. Its operators have been told; your key is not to blame.",
            code="upstream_auth",
        )
    if status in statuses.REFUSED:
        return Unavailable(
            "The model takes no more requests at the moment; nothing was bought. Try again shortly.",
            retry_after=reply.retry_after or 1.0,
        )
    if status in {400, 413, 415, 422}:
        return InvalidRequest(f"The model refused the request: {message or 'it gave no reason'}")
    return UpstreamFailed(f"Upstream failed and delivered no picture. {message}".rstrip())

"""One parser for every shape in which upstream delivers pictures, tasks and refusals."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway import statuses
from gateway.catalog import Model
from gateway.dialects import media
from gateway.dialects.base import Image, Reply, Result, Task, Usage
from gateway.dialects.refusals import moderated, raise_refusal
from gateway.errors import UpstreamFailed

_KEYS = (
    "b64_json", "base64_json", "bytesBase64", "bytesBase64Encoded", "url", "urls", "content_url", "sample", "samples",
    "image", "images", "output", "data", "result", "predictions",
)  # fmt: skip
_FILTERED = re.compile(r"filter|safety|moderat|prohibited", re.IGNORECASE)
_DEEPEST = 5


@dataclass
class _Found:
    images: list[Image] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    filtered: list[str] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)
    empty_urls: int = 0


def read(model: Model, reply: Reply) -> Result | Task:
    """Understand the answer to a billable call: whatever else it says, a picture in it is delivered.

    Raises:
        GatewayError: it is a refusal, or holds neither picture nor task.

    """
    if not 200 <= reply.status < 300:
        raise_refusal(model, reply)
    if media.sniff(reply.content):
        return Result([Image(data=reply.content)])
    found = _Found()
    _walk(reply.json, found)
    if found.images:
        return Result(found.images, _usage(reply.json))
    if found.tasks:
        return Task(found.tasks[0])
    if found.filtered:
        raise moderated(model, found.filtered[0])
    if found.empty_urls and model.dialect == "ideogram":  # how Ideogram withholds a picture
        raise moderated(model)
    if found.errors:
        error = found.errors[0]
        raise_refusal(model, Reply(_status_of(error), msgspec.json.encode({"error": error})))
    raise UpstreamFailed(
        "Upstream answered without a picture. It may have been charged all the same; the request is not sent again."
    )


def images_in(value: Any) -> list[Image]:
    """Find every picture in a part of a reply."""
    found = _Found()
    _walk(value, found)
    return found.images


def _status_of(error: Any) -> int:
    """Read the status that a success with an error should have had.

    Never one that invites a repetition: this call was accepted.
    """
    code, kind = (error.get("code"), error.get("type")) if isinstance(error, dict) else (None, None)
    if isinstance(code, int) and 400 <= code < 500 and code not in statuses.REFUSED | statuses.UNANSWERED:
        return code
    return 400 if "invalid" in f"{code} {kind}".lower() else 500


def _walk(value: Any, found: _Found, depth: int = 0) -> None:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        _add(value, None, found)
    elif isinstance(value, list):
        for item in value:
            _walk(item, found, depth + 1)
    elif isinstance(value, dict):
        _walk_object(value, found, depth)


def _walk_object(value: dict[str, Any], found: _Found, depth: int) -> None:
    if value.get("error"):
        found.errors.append(value["error"])
    reasons = list(_filter_reasons(value))
    found.filtered.extend(reasons)
    task = value.get("taskId") or value.get("task_id")
    if isinstance(task, str | int):
        found.tasks.append(str(task))
    found.empty_urls += "url" in value and not value["url"]
    prompt = value.get("revised_prompt") or value.get("prompt")
    for key in _KEYS:
        held = value.get(key)
        if not isinstance(held, str):
            _walk(held, found, depth + 1)
        elif not reasons and _add(held, prompt if isinstance(prompt, str) else None, found):
            return  # any further one is the same picture in another form


def _add(text: str, revised_prompt: str | None, found: _Found) -> bool:
    """Keep a URL, a data URL or base64; what is no picture does not spoil its neighbours."""
    text = text.strip()
    if text.startswith(("http://", "https://")):
        found.images.append(Image(url=text, revised_prompt=revised_prompt))
        return True
    data = media.picture(text.partition(",")[2] if text.startswith("data:") else text)
    if data is not None:
        found.images.append(Image(data=data, revised_prompt=revised_prompt))
    return data is not None


def _filter_reasons(value: dict[str, Any]) -> Iterator[str]:
    if value.get("is_image_safe") is False:
        yield "the image was found unsafe"
    if isinstance(value.get("raiFilteredReason"), str):
        yield value["raiFilteredReason"]
    for key in ("finish_reason", "finish_reasons"):
        reasons = value.get(key)
        for reason in reasons if isinstance(reasons, list) else [reasons]:
            if isinstance(reason, str) and _FILTERED.search(reason):
                yield reason


def _usage(body: Any) -> Usage | None:
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return None

    def count(source: Any, key: str) -> int:
        value = source.get(key) if isinstance(source, dict) else None
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0

    details = usage.get("input_tokens_details")
    known = Usage(
        input_tokens=count(usage, "input_tokens"),
        output_tokens=count(usage, "output_tokens"),
        total_tokens=count(usage, "total_tokens") or count(usage, "input_tokens") + count(usage, "output_tokens"),
        text_input_tokens=count(details, "text_tokens"),
        image_input_tokens=count(details, "image_tokens"),
    )
    return known if known.total_tokens else None

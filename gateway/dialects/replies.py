"""One parser for every shape in which upstream delivers pictures, tasks and refusals."""

import binascii
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pybase64

from gateway.catalog import Model
from gateway.dialects.base import Image, Reply, Result, Task, Usage
from gateway.dialects.refusals import error_of, moderated, raise_refusal
from gateway.errors import UpstreamFailed

_IMAGE_KEYS = (
    "b64_json", "base64_json", "bytesBase64", "bytesBase64Encoded", "url", "content_url", "sample", "image",
)  # fmt: skip
_LIST_KEYS = ("b64_json", "base64_json", "urls", "images", "samples", "data", "output", "predictions")
_FILTERED = ("raiFilteredReason", "finish_reason", "finish_reasons")


@dataclass
class _Found:
    images: list[Image] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    filtered: list[str] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)


def read(model: Model, reply: Reply) -> Result | Task:
    """Understand the answer to a billable call.

    Raises:
        GatewayError: it is a refusal, or holds neither picture nor task.

    """
    if not 200 <= reply.status < 300:
        raise_refusal(model, reply)
    if reply.content_type.startswith("image/"):
        return Result([Image(data=reply.content)])
    body = reply.json
    if error_of(body):
        raise_refusal(model, Reply(_status_of(body), reply.content, reply.content_type, reply.retry_after))
    found = _Found()
    _walk(body, found)
    if found.tasks and not found.images:
        return Task(found.tasks[0])
    if found.images:
        return Result(found.images, _usage(body))
    if found.filtered:
        raise moderated(model, found.filtered[0])
    if found.errors:
        raise_refusal(model, Reply(400, msgspec.json.encode({"error": found.errors[0]})))
    raise UpstreamFailed(
        "Upstream answered without a picture. It may have been charged all the same; the request is not sent again."
    )


def images_in(value: Any) -> list[Image]:
    """Find every picture in a part of a reply."""
    found = _Found()
    _walk(value, found)
    return found.images


def _status_of(body: dict[str, Any]) -> int:
    """Read the status that a 200 with an error should have had."""
    error = body["error"]
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 400


def _walk(value: Any, found: _Found, depth: int = 0) -> None:
    if depth > 5:
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
        return
    found.filtered.extend(_filter_reasons(value))
    task = value.get("taskId") or value.get("task_id")
    if isinstance(task, str):
        found.tasks.append(task)
        return
    prompt = value.get("revised_prompt") or value.get("prompt")
    for key in _IMAGE_KEYS:
        if isinstance(value.get(key), str) and value[key]:
            _add(value[key], prompt if isinstance(prompt, str) else None, found)
            return
    for key in _LIST_KEYS:
        if value.get(key) and (isinstance(value[key], list | dict) or key in {"output", "data"}):
            _walk(value[key], found, depth + 1)


def _add(text: str, revised_prompt: str | None, found: _Found) -> None:
    """Keep a URL, a data URL or base64; one that cannot be decoded does not spoil its neighbours."""
    if text.startswith(("http://", "https://")):
        found.images.append(Image(url=text, revised_prompt=revised_prompt))
        return
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    with suppress(binascii.Error, ValueError):
        found.images.append(Image(data=pybase64.b64decode(encoded, validate=True), revised_prompt=revised_prompt))


def _filter_reasons(value: dict[str, Any]) -> Iterator[str]:
    if value.get("is_image_safe") is False:
        yield "the image was found unsafe"
    for key in _FILTERED:
        reasons = value.get(key)
        for reason in reasons if isinstance(reasons, list) else [reasons]:
            if isinstance(reason, str) and reason.upper() not in {"SUCCESS", "STOP", ""}:
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
        total_tokens=count(usage, "total_tokens"),
        text_input_tokens=count(details, "text_tokens"),
        image_input_tokens=count(details, "image_tokens"),
    )
    return known if known.total_tokens else None

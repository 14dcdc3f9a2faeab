"""What the sandbox was asked, and what it would have charged."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.sandbox.wire import Origin, Request

_MOST_CALLS = 10_000
_REFERENCE_KEYS = ("image", "refer_image", "input_image")


class Call(msgspec.Struct, kw_only=True):
    """One call, from its arrival on; `status` is None until an answer leaves, and for ever if none does.

    `time` is in Unix seconds, `key` the last four characters, `billable` whether such a call costs when it succeeds,
    `billed_images` what this one cost.
    """

    time: float
    origin: Origin
    method: str
    path: str
    model: str | None = None
    body: Any = None
    key: str | None = None
    billable: bool = False
    billed_images: int = 0
    status: int | None = None
    error: str | None = None
    drills: dict[str, float] = {}


class Paid(msgspec.Struct):
    """What one model has cost."""

    calls: int = 0
    images: int = 0


class Stats(msgspec.Struct, kw_only=True):
    """Everything charged so far, and the calls that cost nothing."""

    paid_calls: int = 0
    images: int = 0
    models: dict[str, Paid] = {}
    refused_calls: int = 0
    polls: int = 0
    downloads: int = 0
    polling_url_calls: int = 0


class Record:
    """The last 10,000 calls, and the totals of all."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=_MOST_CALLS)
        self.stats = Stats()

    def clear(self) -> None:
        """Forget all calls and totals."""
        self.calls.clear()
        self.stats = Stats()

    def open(self, request: Request, now: float) -> Call:
        """Note a call on its arrival."""
        key = request.headers.get("authorization")
        call = Call(
            time=now,
            origin=request.origin,
            method=request.method,
            path=request.path,
            key=key[-4:] if key else None,
        )
        self.calls.append(call)
        self.stats.polls += request.origin == "tasks"
        self.stats.polling_url_calls += request.origin == "polling"
        self.stats.downloads += request.path.startswith("/files/")
        return call

    def bill(self, call: Call, images: int) -> None:
        """Charge a call for its images."""
        call.billed_images = images
        if not images:
            return
        paid = self.stats.models.setdefault(call.model or "", Paid())
        paid.calls += 1
        paid.images += images
        self.stats.paid_calls += 1
        self.stats.images += images

    def close(self, call: Call, status: int | None, error: str | None) -> None:
        """Note how a call was answered."""
        call.status = status
        call.error = error
        self.stats.refused_calls += call.billable and not call.billed_images


def without_images(body: Mapping[str, Any]) -> dict[str, Any]:
    """Replace inline images by their length; links stay."""
    return {key: _shortened(value) if key in _REFERENCE_KEYS else value for key, value in body.items()}


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, str) and not value.startswith(("http://", "https://")):
        return f"<{len(value)} characters>"
    return value

"""`stream: true`: the picture as a server-sent event, with a sign of life while it is being made."""

from collections.abc import AsyncIterator

from litestar.response import Stream

from gateway.api.errors import envelope_of
from gateway.api.patience import ClientLeft, Patience
from gateway.api.wire import completed_event
from gateway.errors import GatewayError
from gateway.generation.engine import Outcome
from gateway.generation.plan import Plan

_KEEP_ALIVE = b": the picture is being made\n\n"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def events(
    plan: Plan, patience: Patience, first: Outcome | None, *, created: int, keepalive_s: float
) -> AsyncIterator[bytes]:
    """Give a comment every `keepalive_s` seconds, then the one event, or an error event."""
    outcome = first
    try:
        async with patience:
            while outcome is None:
                yield _KEEP_ALIVE
                outcome = await patience.outcome(keepalive_s)
        yield _event("image_generation.completed", completed_event(plan, outcome, created=created))
    except ClientLeft:
        return
    except GatewayError as error:
        yield _event("error", b'{"type":"error",' + envelope_of(error)[1:])


def respond(content: AsyncIterator[bytes], headers: dict[str, str]) -> Stream:
    """Answer with events."""
    return Stream(content, media_type="text/event-stream", headers=_HEADERS | headers)


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"

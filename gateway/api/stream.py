"""`stream: true`: the picture as a server-sent event, with a sign of life while it is being made."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

from litestar.response import Stream

from gateway.api.errors import ClientLeft, envelope_of
from gateway.api.patience import Patience
from gateway.api.wire import completed_event
from gateway.errors import GatewayError
from gateway.generation.engine import Outcome
from gateway.generation.plan import Plan

_KEEP_ALIVE = b": the picture is being made\n\n"
MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def events(
    patience: Patience, held: AsyncExitStack, *, keepalive_s: float, clock: Callable[[], float], any_size: bool
) -> AsyncIterator[bytes]:
    """Give a comment every `keepalive_s` seconds, then the one event, or an error event.

    `held` keeps the patience open until the stream ends. `clock` gives unix seconds.
    """
    outcome: Outcome | None = None
    try:
        async with held:
            while outcome is None:
                yield _KEEP_ALIVE
                outcome = await patience.outcome(keepalive_s)
        yield event_of(patience.generation.plan, outcome, created=int(clock()), any_size=any_size)
    except ClientLeft:
        return
    except GatewayError as error:
        yield _frame("error", b'{"type":"error",' + envelope_of(error)[1:])


def event_of(plan: Plan, outcome: Outcome, *, created: int, any_size: bool) -> bytes:
    """Render the event that carries the picture."""
    return _frame("image_generation.completed", completed_event(plan, outcome, created=created, any_size=any_size))


def respond(content: AsyncIterator[bytes], headers: dict[str, str]) -> Stream:
    """Answer with events as they come; proxies are told not to hold them back."""
    return Stream(content, media_type=MEDIA_TYPE, headers=HEADERS | headers)


def _frame(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"

"""`stream: true`: the picture as a server-sent event, with a sign of life while it is being made."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from gateway.api.errors import ClientLeft, envelope_of
from gateway.api.patience import Patience
from gateway.api.wire import completed_event
from gateway.errors import GatewayError
from gateway.generation.outcome import Outcome
from gateway.generation.plan import Plan
from gateway.generation.ticket import Ticket

MEDIA_TYPE = "text/event-stream; charset=utf-8"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # proxies are told not to hold events back

_KEEP_ALIVE = b": the picture is being made\n\n"


class Events:
    """The events of one request; `facts` are what its log line will tell. `clock` gives unix seconds."""

    def __init__(
        self,
        plan: Plan,
        ticket: Ticket,
        patience: Patience,
        facts: dict[str, Any],
        *,
        clock: Callable[[], float],
        any_size: bool,
    ) -> None:
        self._plan = plan
        self._ticket = ticket
        self._patience = patience
        self._facts = facts
        self._clock = clock
        self._any_size = any_size

    async def all(self, keepalive_s: float) -> AsyncIterator[bytes]:
        """Give a comment every `keepalive_s` seconds, then the one event, or an error event."""
        try:
            outcome: Outcome | None = None
            while outcome is None:
                yield _KEEP_ALIVE
                outcome = await self._patience.outcome_within(keepalive_s)
            async for chunk in self._patience.sending(self.completed(outcome)):
                yield chunk
        except ClientLeft:
            self._facts |= {"error_code": "client_left", "error_status": 499}
        except GatewayError as error:
            self._facts |= {"error_code": error.code, "error_status": error.status}
            yield _frame("error", b'{"type":"error",' + envelope_of(error)[1:])

    def completed(self, outcome: Outcome) -> bytes:
        """Render the event that carries the picture."""
        self._facts |= outcome_facts(self._ticket, outcome)
        event = completed_event(self._plan, outcome, created=int(self._clock()), any_size=self._any_size)
        return _frame("image_generation.completed", event)


def outcome_facts(ticket: Ticket, outcome: Outcome) -> dict[str, Any]:
    """Tell what the log line of a request should say of its pictures."""
    cost = 0.0 if ticket.is_free else None if outcome.cost is None else outcome.cost / 1_000_000
    return {"generation_id": ticket.id, "cache": ticket.cache, "images": len(outcome.pictures), "cost_usd": cost}


def _frame(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"

"""What happens in one turn of the event loop, heard together at the next."""

import asyncio

from gateway.telemetry.events import Emit, Event


class ByTurn:
    """Hands events on at the loop's next turn, in their order.

    Heard one by one, each amid other work, they cost several times as much: the processor's caches have forgotten by
    then how to count.
    """

    def __init__(self, listener: Emit) -> None:
        self._listener = listener
        self._held: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep an event until then; raises RuntimeError outside of an event loop."""
        if not self._held:
            asyncio.get_running_loop().call_soon(self._hand_on)
        self._held.append(event)

    def _hand_on(self) -> None:
        held, self._held = self._held, []
        for event in held:
            try:
                self._listener(event)
            except Exception as error:  # noqa: BLE001  the next one may be a booking
                told = {"message": f"{type(event).__name__} was not heard", "exception": error}
                asyncio.get_running_loop().call_exception_handler(told)

"""What bounds the work in flight: slots per model and worker, a bounded queue before them, a circuit per model."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from gateway.catalog import Model
from gateway.errors import GatewayError, OutcomeUnknown, Unavailable, UpstreamFailed
from gateway.telemetry.events import CircuitChanged, Emit


class Slots:
    """Lets a worker make `max_in_flight` upstream calls at once, and as many of one model as its row allows.

    A task holds its slot until its pictures are there. At most `max_queued` calls wait for a slot.
    """

    def __init__(self, *, max_in_flight: int, max_queued: int) -> None:
        self._max_in_flight = max_in_flight
        self._max_queued = max_queued
        self._placed: dict[str, int] = {}
        self._most: dict[str, int] = {}
        self._worker = asyncio.Semaphore(max_in_flight)
        self._models: dict[str, asyncio.Semaphore] = {}

    def place(self, model: Model, calls: int) -> Callable[[], None]:
        """Take room for so many calls, in a slot or in the queue; returns what gives it back, to be called once.

        Raises:
            Unavailable: they would have to wait, and the queue is full.

        """
        waiting = self._waiting()
        self._most[model.id] = model.max_in_flight or self._max_in_flight
        self._placed[model.id] = self._placed.get(model.id, 0) + calls
        if waiting < self._waiting() > self._max_queued:
            self._give_back(model, calls)
            raise Unavailable(
                f"The model '{model.id}' has all the calls in flight that it may have, and {waiting} more wait for "
                f"their turn; {self._max_queued} may. Nothing was bought. Try again.",
                code="server_overloaded",
                retry_after=2.0,
            )
        return lambda: self._give_back(model, calls)

    def _give_back(self, model: Model, calls: int) -> None:
        self._placed[model.id] -= calls

    def _waiting(self) -> int:
        running = sum(min(placed, self._most[name]) for name, placed in self._placed.items())
        return sum(self._placed.values()) - min(running, self._max_in_flight)

    @asynccontextmanager
    async def slot(self, model: Model) -> AsyncIterator[None]:
        """Wait for a slot, the model's first, so that a busy model does not hold up the others."""
        if model.max_in_flight:
            limit = self._models.setdefault(model.id, asyncio.Semaphore(model.max_in_flight))
            async with limit, self._worker:
                yield
        else:
            async with self._worker:
                yield


class Circuits:
    """Refuses a model at once after `failures` generations in a row failed, for `open_s` seconds; then one may try.

    `clock` is monotonic, in seconds.
    """

    def __init__(
        self, *, failures: int, open_s: float, clock: Callable[[], float], emit: Emit = lambda _: None
    ) -> None:
        self._failures = failures
        self._open_s = open_s
        self._clock = clock
        self._emit = emit
        self._in_a_row: dict[str, int] = {}
        self._closed_until: dict[str, float] = {}

    @contextmanager
    def through(self, model: Model) -> Iterator[None]:
        """Pass a generation through, and learn from how it ends.

        Raises:
            Unavailable: the model keeps failing.

        """
        self.check(model)
        if self.is_open(model):
            self._closed_until[model.id] = self._clock() + self._open_s  # the others wait for this one's outcome
        try:
            yield
        except GatewayError as error:
            self._learn(model, failed=_blames_the_model(error))
            raise
        else:
            self._learn(model, failed=False)

    def is_open(self, model: Model) -> bool:
        """Tell whether the model is refused at the moment."""
        return self._in_a_row.get(model.id, 0) >= self._failures

    def check(self, model: Model) -> None:
        """Refuse a model whose circuit is open.

        Raises:
            Unavailable: the model keeps failing.

        """
        left = self._closed_until.get(model.id, 0.0) - self._clock()
        if self.is_open(model) and left > 0:
            raise Unavailable(
                f"The model '{model.id}' keeps failing upstream and is left alone for a moment. Nothing was bought. "
                "Try again, or use another model.",
                code="model_unavailable",
                retry_after=left,
            )

    def _learn(self, model: Model, *, failed: bool) -> None:
        was_open = self.is_open(model)
        self._in_a_row[model.id] = self._in_a_row.get(model.id, 0) + 1 if failed else 0
        is_open = self.is_open(model)
        if is_open:
            self._closed_until[model.id] = self._clock() + self._open_s
        if is_open != was_open:
            self._emit(CircuitChanged(model.id, is_open))


def _blames_the_model(error: GatewayError) -> bool:
    """Tell whether the model failed; where our own account or worker is at its end, that must be told as it is."""
    if error.code in {"upstream_auth", "upstream_quota", "server_overloaded"}:
        return False
    return isinstance(error, UpstreamFailed | OutcomeUnknown | Unavailable)

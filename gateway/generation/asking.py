"""Asking what becomes of a request: the ledger, or while Redis is away the spool."""

from collections.abc import Callable

from gateway.catalog import Model
from gateway.errors import Unavailable
from gateway.generation.admission import Wish, admission, refusal
from gateway.ids import hex_digits
from gateway.store.journal import Journal, Verdict
from gateway.store.ledger import Ledger
from gateway.store.recent import Recent
from gateway.store.spool import Spool
from gateway.telemetry.events import Admitted, Emit, ServedWithoutStore

_KNOWN_S = 300.0  # how long a key is served without the store after it was last seen to count
_MOST_KNOWN = 10_000


class Asking:
    """`ttl_s` is how long pictures are replayed where their model does not say otherwise.

    `clock` is monotonic, `now` gives unix seconds.

    With a `spool`, keys that were seen lately are served while Redis is away. `caches` is turned off where pictures
    have to make room for state.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool | None,
        *,
        ttl_s: int,
        clock: Callable[[], float],
        now: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._ttl_s = ttl_s
        self._clock = clock
        self._now = now
        self._emit = emit
        self._known = Recent[str](_MOST_KNOWN, _KNOWN_S, clock)
        self.caches = True

    async def ask(self, wish: Wish, *, missing: str = "") -> tuple[Verdict, Journal]:
        """Give the verdict and the ledger that stands by it. Raises Unavailable while there is none.

        `missing` names a generation whose bytes turned out to be gone.
        """
        question = admission(wish, self._new_id(), ttl_s=self._ttl_of(wish.plan.model), missing=missing)
        ledger: Journal = self._ledger
        began = self._clock()
        try:
            verdict = await self._ledger.admit(wish.team, question)
        except Unavailable:
            models = self._known.get(wish.key_id)
            if self._spool is None or models is None:
                raise
            self._emit(ServedWithoutStore(wish.team, question.model))
            if models and question.model not in models.split(","):
                raise refusal(Verdict("refused", why="model", models=models), wish) from None
            ledger, verdict = self._spool, self._spool.admit(wish.team, question)
        else:
            if verdict.kind != "refused":
                self._known.put(wish.key_id, verdict.models)
            elif verdict.why in {"unknown", "revoked", "expired"}:
                self._known.forget(wish.key_id)
        ended = self._clock()
        wish.phases.lap("admit", began, ended)
        self._emit(Admitted(wish.team, question.model, verdict.kind, verdict.limit, ended - began))
        wish.tell(verdict)
        return verdict, ledger

    def _new_id(self) -> str:
        """Make an id that tells its time, to the millisecond, so that its booking can be found."""
        return f"gen_{int(self._now() * 1000):011x}{hex_digits(13)}"

    def _ttl_of(self, model: Model) -> int:
        if not self.caches:
            return 0
        return self._ttl_s if model.cache_ttl_s is None else model.cache_ttl_s

"""Generations whose clients have left: each may be claimed once, by the same key asking for the same again."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_WITHOUT_RETRY_COUNT_S = 60.0


@dataclass(frozen=True, slots=True)
class _Left(Generic[T]):
    key_id: str
    fingerprint: str
    item: T
    since: float


class Unclaimed(Generic[T]):
    """Keeps what nobody waits for any more, by API key and fingerprint, for `kept_s` seconds, at most `size` of them.

    SDKs retry by sending the same POST again. One that says so (`x-stainless-retry-count`) may claim for as long as
    the thing is kept; one that does not say so may be a new wish, and claims only what was left a minute ago.
    `clock` is monotonic, in seconds.
    """

    def __init__(self, *, kept_s: float, size: int, clock: Callable[[], float]) -> None:
        self.kept_s = kept_s
        self._size = size
        self._clock = clock
        self._left: deque[_Left[T]] = deque()  # the oldest first

    def leave(self, key_id: str, fingerprint: str, item: T) -> None:
        """Keep what its client did not wait for; of too many the oldest goes."""
        self._left.append(_Left(key_id, fingerprint, item, self._clock()))
        if len(self._left) > self._size:
            self._left.popleft()

    def claim(self, key_id: str, fingerprint: str, *, is_retry: bool) -> T | None:
        """Hand over what was left first, if there is such a thing."""
        self.sweep()
        oldest = self._clock() - (self.kept_s if is_retry else _WITHOUT_RETRY_COUNT_S)
        for left in self._left:
            if (left.key_id, left.fingerprint) == (key_id, fingerprint) and left.since >= oldest:
                self._left.remove(left)
                return left.item
        return None

    def sweep(self) -> None:
        """Drop what was kept long enough."""
        while self._left and self._clock() - self._left[0].since > self.kept_s:
            self._left.popleft()

    def __bool__(self) -> bool:
        """Tell whether anything is left at all."""
        return bool(self._left)

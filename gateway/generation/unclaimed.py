"""Generations whose clients have left: each may be claimed once, by the same key asking for the same again."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_WITHOUT_RETRY_COUNT_S = 60.0


@dataclass(frozen=True, slots=True)
class _Left(Generic[T]):
    item: T
    since: float


class Unclaimed(Generic[T]):
    """Keeps what nobody waits for any more, by API key and fingerprint, for `kept_s` seconds, at most `size` of them.

    SDKs retry by sending the same POST again. One that says so (`x-stainless-retry-count`) may claim for as long as
    the thing is kept; one that does not say so may be a new wish, and claims only what was left a minute ago.
    `clock` is monotonic, in seconds.
    """

    def __init__(self, *, kept_s: float, size: int, clock: Callable[[], float]) -> None:
        self._kept_s = kept_s
        self._size = size
        self._clock = clock
        self._left: OrderedDict[tuple[str, str], _Left[T]] = OrderedDict()

    def leave(self, key_id: str, fingerprint: str, item: T) -> None:
        """Keep what its client did not wait for."""
        self._left[key_id, fingerprint] = _Left(item, self._clock())
        self._left.move_to_end((key_id, fingerprint))
        self._drop_old()

    def claim(self, key_id: str, fingerprint: str, *, is_retry: bool) -> T | None:
        """Hand over what was left, if there is such a thing."""
        self._drop_old()
        left = self._left.get((key_id, fingerprint))
        if left is None or not (is_retry or self._clock() - left.since <= _WITHOUT_RETRY_COUNT_S):
            return None
        del self._left[key_id, fingerprint]
        return left.item

    def __bool__(self) -> bool:
        """Tell whether anything is left at all."""
        return bool(self._left)

    def _drop_old(self) -> None:
        while self._left:
            oldest = next(iter(self._left.values()))
            if len(self._left) <= self._size and self._clock() - oldest.since <= self._kept_s:
                return
            self._left.popitem(last=False)

"""How often the admin key may be guessed."""

from collections.abc import Callable

_AT_ONCE = 10
_EVERY_S = 6.0  # one more try


class Tries:
    """Counts wrong keys: ten at once, and one more every six seconds, of all clients of this worker together.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(_AT_ONCE)
        self._at = clock()

    def wait_s(self) -> float:
        """Tell how many seconds it is until a key may be tried: 0 for now."""
        return max(0.0, (1 - self._refilled()) * _EVERY_S)

    def failed(self) -> None:
        """Count a wrong key."""
        self._left = self._refilled() - 1

    def _refilled(self) -> float:
        now = self._clock()
        self._left = min(float(_AT_ONCE), self._left + (now - self._at) / _EVERY_S)
        self._at = now
        return self._left

"""A bounded memory of what was looked up lately."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """The `size` most recently used values, each for at most `life_s` seconds after it was put."""

    def __init__(self, size: int, life_s: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._life_s = life_s
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, name: str) -> V | None:
        held = self._held.get(name)
        if held is None:
            return None
        put_at, value = held
        if self._clock() - put_at >= self._life_s:
            del self._held[name]
            return None
        self._held.move_to_end(name)
        return value

    def forget(self, name: str) -> None:
        """Drop a value, if there is one."""
        self._held.pop(name, None)

    def put(self, name: str, value: V) -> None:
        self._held[name] = (self._clock(), value)
        self._held.move_to_end(name)
        if len(self._held) > self._size:
            self._held.popitem(last=False)

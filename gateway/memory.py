"""A worker's memory: what is freed goes back to the system, and start-up's objects out of the collector's way."""

import asyncio
import ctypes
import gc
from collections.abc import Callable

_EVERY_S = 5.0
_YOUNG_OBJECTS = 20_000  # a few requests' worth; Python's 700 would look through the young ones many times a request


def freeze() -> None:
    """Take what start-up made out of garbage collection, which from then on looks at requests' objects, seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def trimmer() -> Callable[[], None]:
    """Find the C library's way to give freed memory back: glibc keeps tens of megabytes after large pictures."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return (lambda: trim(0)) if trim else lambda: None


async def give_back(trim: Callable[[], None], every_s: float = _EVERY_S) -> None:
    """Give freed memory back every few seconds, for ever."""
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(trim)

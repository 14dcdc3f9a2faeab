"""What a worker gives back."""

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from gateway import memory


def rss():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's")
def test_freed_memory_goes_back():
    """Memory that lies free between what is in use is returned to the system."""
    blocks = [bytes(100_000) for _ in range(1000)]
    kept = blocks[::50]
    del blocks
    gc.collect()
    before = rss()
    memory.trimmer()()

    assert before - rss() > 50_000_000
    assert len(kept) == 20


async def test_again_and_again():
    """It is done for as long as the worker lives."""
    rounds = asyncio.Queue()
    task = asyncio.ensure_future(memory.give_back(lambda: rounds.put_nowait("done"), 0.001))
    async with asyncio.timeout(10):
        assert ["done", "done"] == [await rounds.get(), await rounds.get()]
    task.cancel()

"""Parts of a generation without a gateway around them, on a clock that only sleeping moves."""

import asyncio
import contextlib
import io
import time

import msgspec
from PIL import Image

from gateway.catalog import load_catalog
from gateway.generation.delivery import Delivery
from gateway.generation.driver import Driver
from gateway.generation.engine import Generations
from gateway.generation.limits import Circuits, Slots
from gateway.generation.pictures import Pictures
from gateway.generation.plan import Planner
from gateway.generation.unclaimed import Unclaimed
from gateway.settings import shipped
from gateway.upstream.client import Upstream
from gateway.upstream.download import Downloader
from gateway.upstream.transport import AiohttpTransport

CATALOG = load_catalog(shipped("models.toml"))
PLANNER = Planner(CATALOG, default_model="dall-e-3", strict_params=False)


def row(name, **changes):
    """Take a row of the shipped catalogue, with some of its values changed."""
    return msgspec.structs.replace(CATALOG.resolve(name), **changes)


class Clock:
    """Monotonic seconds that pass only in `sleep`, or where a test says so; `slept` lists every sleep."""

    def __init__(self):
        self.now = 1_000.0
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class WallClock:
    """Real seconds, for tests against servers that live by them."""

    __call__ = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


class Events(list):
    """Keeps every event that is emitted."""

    __call__ = list.append

    def of(self, kind):
        return [event for event in self if isinstance(event, kind)]


def upstream_at(base_url, tasks_url, transport, api_key="sk-sandbox-0000"):
    """Make a client for an upstream at these origins."""
    return Upstream(
        transport=transport,
        base_url=base_url,
        tasks_url=tasks_url,
        api_key=api_key,
        connect_timeout_s=5,
        pool_timeout_s=5,
        max_reply_bytes=1 << 26,
    )


def driver_for(upstream, clock, emit=lambda _: None, **changes):
    """Make a driver on a test's clock; without jitter unless asked for."""
    options = {"attempts": 4, "backoff_s": 0.5, "jitter": 0.0, "random": lambda: 0.5, "sleep": clock.sleep}
    return Driver(upstream, clock=clock, emit=emit, **(options | changes))


@contextlib.asynccontextmanager
async def closing(*parts):
    """Lend parts and close them afterwards."""
    try:
        yield parts[0] if len(parts) == 1 else parts
    finally:
        for part in parts:
            await part.aclose()


def drawn(kind="PNG", mode="RGB", size=(24, 16), **options):
    """Draw a picture with some structure, and encode it."""
    grey = Image.linear_gradient("L").resize(size)
    picture = grey.convert("RGB").convert(mode)
    if mode in {"LA", "RGBA"}:
        picture.putalpha(grey.point(lambda level: 128 + level // 2))
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


async def until(holds):
    """Wait until `holds()` is true, looking again and again."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  what is waited for lives in other threads and processes
            await asyncio.sleep(0.002)


def downloader_for(trusted_origins, trusted, public=None, **changes):
    """Make a downloader over these transports."""
    options = {"allowed_hosts": None, "max_bytes": 1 << 26, "timeout_s": 5}
    return Downloader(trusted_origins=trusted_origins, trusted=trusted, public=public or trusted, **(options | changes))


@contextlib.asynccontextmanager
async def generations_at(sandbox, emit=lambda _: None, **driver_options):
    """Run an engine before the sandbox, on the real clock with hurried pauses."""
    transport = AiohttpTransport(limit=50, keepalive_s=4)
    upstream = upstream_at(sandbox.base_url, sandbox.tasks_url, transport)
    pictures = Pictures(threads=2, max_pixels=50_000_000)
    driver = driver_for(upstream, WallClock(), emit, **({"backoff_s": 0.01} | driver_options))
    delivery = Delivery(
        downloader_for([sandbox.base_url], transport),
        pictures,
        patience_s=5,
        backoff_s=0.01,
        clock=time.monotonic,
        emit=emit,
    )
    try:
        yield Generations(
            driver,
            delivery,
            slots=Slots(max_in_flight=100, max_queued=100),
            circuits=Circuits(failures=1000, open_s=1, clock=time.monotonic),
            unclaimed=Unclaimed(kept_s=600, size=100, clock=time.monotonic),
            clock=time.monotonic,
            emit=emit,
        )
    finally:
        pictures.close()
        await upstream.aclose()


def begin(generations, plan, **changes):
    """Start a generation for some team and key."""
    return generations.start(plan, **({"team": "art", "key_id": "k1", "is_retry": False} | changes))


async def make(generations, plan, **changes):
    """Wait for the outcome of a generation, as its request does: leaving cancels nothing."""
    return await asyncio.shield(begin(generations, plan, **changes).task)


def plan_for(model="dall-e-3", **fields):
    """Plan a request for a shipped model."""
    return PLANNER.plan({"model": model, "prompt": "a red fox"} | fields)

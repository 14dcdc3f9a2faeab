"""Parts of a generation without a gateway around them, on a clock that only sleeping moves."""

import asyncio
import contextlib
import io
import secrets
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
from PIL import Image

from gateway.catalog import load_catalog
from gateway.generation.admission import Wish, admission
from gateway.generation.archive import Archive
from gateway.generation.asking import Asking
from gateway.generation.braking import Braking
from gateway.generation.delivery import Delivery
from gateway.generation.driver import Driver
from gateway.generation.engine import Generations
from gateway.generation.generation import Generation
from gateway.generation.keeper import Keeper
from gateway.generation.limits import Circuits, Slots
from gateway.generation.making import Maker
from gateway.generation.pictures import Pictures
from gateway.generation.plan import Planner
from gateway.generation.running import Running
from gateway.generation.waiting import Endings
from gateway.settings import shipped
from gateway.store.blobs import Blobs
from gateway.store.brakes import Brakes
from gateway.store.channel import Channel
from gateway.store.generations import GenerationRecords
from gateway.store.journal import Rules
from gateway.store.keys import Keys
from gateway.store.ledger import ENDED, Ledger
from gateway.store.scripts import Scripts
from gateway.store.spool import Spool
from gateway.store.watermark import Watermark
from gateway.upstream.client import Upstream
from gateway.upstream.download import Downloader
from gateway.upstream.transport import AiohttpTransport
from tests.support.valkey import gateway_client

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


RULES = Rules(
    lease_ms=15_000,
    join="all",
    charge_unknown=True,
    retention_days=400,
    unclaimed_s=600,
    tombstone_s=120,
    dispute_s=86_400,
    idempotency_s=86_400,
)


class Worker:
    """An engine with all its parts, as one worker process has them."""

    def __init__(
        self, redis, blobs, upstream, pictures, emit, *, directory, rules, driver, engine, cache_bytes, check_s
    ):
        self.redis = redis
        self.events = emit
        self.pictures = pictures
        self.ledger = Ledger(Scripts(redis), redis, msgspec.structs.replace(RULES, **rules))
        self.channel = Channel(redis, ENDED)
        self.endings = Endings(self.ledger, self.channel.messages, check_s=check_s, emit=emit)
        self.archive = Archive(Blobs(blobs), memory_bytes=cache_bytes)
        self.slots = engine.pop("slots", None) or Slots(max_in_flight=100, max_queued=100)
        self.circuits = engine.pop("circuits", None) or Circuits(failures=1000, open_s=1, clock=time.monotonic)
        trusted = AiohttpTransport(limit=50, keepalive_s=4)
        self.downloader = downloader_for([upstream.base_url], trusted)
        delivery = Delivery(self.downloader, pictures, patience_s=5, backoff_s=0.01, clock=time.monotonic, emit=emit)
        self.maker = Maker(
            driver_for(upstream.client, WallClock(), emit, **({"backoff_s": 0.01} | driver)),
            delivery,
            self.archive,
            slots=self.slots,
            clock=time.monotonic,
            emit=emit,
        )
        self.brakes = Brakes(redis, Scripts(redis))
        self.braking = Braking(self.brakes, GenerationRecords(redis, self.ledger).cost)
        now = time.time  # noqa: TID251  it goes to Redis's own days
        self.spool = Spool(directory, self.ledger, booked=self.brakes.settle, now=now, emit=emit)
        self.asking = Asking(
            self.ledger,
            self.spool if engine.pop("serves_alone", False) else None,
            ttl_s=engine.pop("ttl_s", 3600),
            clock=time.monotonic,
            now=time.time,  # noqa: TID251  leases live by Redis's own clock
            emit=emit,
        )
        self.running = Running(clock=time.monotonic, emit=emit)
        self.generations = Generations(
            self.asking,
            self.maker,
            self.archive,
            self.endings,
            self.running,
            ledger=self.ledger,
            braking=self.braking,
            catalog=engine.pop("catalog", CATALOG),
            slots=self.slots,
            circuits=self.circuits,
            clock=time.monotonic,
            emit=emit,
            **({"kept_s": 3600, "most_waiting": 1000} | engine),
        )
        self.keeper = Keeper(
            self.generations,
            self.asking,
            self.ledger,
            self.endings,
            spool=self.spool,
            braking=self.braking,
            watermark=Watermark(redis, blobs, high=0.75),
            teams=Keys(redis).teams,
            sweep_s=0.05,
            random=lambda: 0.5,
            emit=emit,
        )
        self._chores = None

    async def keep(self):
        """Begin the chores; returns when this worker hears of endings."""
        self._chores = asyncio.ensure_future(self.keeper.run())
        await self.channel.subscribed.wait()

    async def stop_chores(self):
        """Renew no lease any more, look after nothing, hear nothing: as a worker does that was stopped."""
        if self._chores is not None:
            while not self._chores.done():  # Python 3.11's wait_for, in redis-py, may swallow a cancellation
                self._chores.cancel()
                await asyncio.wait([self._chores], timeout=1)
            self._chores = None

    async def quiet(self):
        """Wait until what is done on the side has been done."""
        while self.generations._chores:
            await asyncio.wait(self.generations._chores)

    async def die(self):
        """End as a killed process does: nothing is told to anybody."""
        await self.stop_chores()
        work = [generation.task for generation in self.generations.held()]
        work += [*self.maker._insisting, *self.generations._chores]
        for task in work:
            task.cancel()
        if work:
            await asyncio.wait(work)


@contextlib.asynccontextmanager
async def generations_at(
    sandbox,
    valkey_url,
    emit=lambda _: None,
    *,
    blobs_url=None,
    rules=None,
    driver=None,
    engine=None,
    cache_bytes=1 << 26,
    check_s=0.5,
    keeps=True,
    command_timeout_s=5,
):
    """Run a worker before the sandbox, on the real clock with hurried pauses; its team `art` has keys k1 and k2.

    Several at the same Valkey are workers of one gateway. `rules`, `driver` and `engine` change options of
    `ledger.Rules`, the driver and the engine, which `serves_alone` while Redis is away if that is set; without `keeps` it has no chores going.
    """
    async with contextlib.AsyncExitStack() as stack:
        redis = gateway_client(valkey_url, command_timeout_s=command_timeout_s)
        stack.push_async_callback(redis.aclose)
        blobs = gateway_client(blobs_url or valkey_url, command_timeout_s=command_timeout_s)
        stack.push_async_callback(blobs.aclose)
        transport = AiohttpTransport(limit=50, keepalive_s=4)
        client = await stack.enter_async_context(closing(upstream_at(sandbox.base_url, sandbox.tasks_url, transport)))
        pictures = stack.enter_context(contextlib.closing(Pictures(threads=2, max_pixels=50_000_000)))
        await enrol(redis, "art", "k1", "k2")
        worker = Worker(
            redis,
            blobs,
            SimpleNamespace(client=client, base_url=sandbox.base_url),
            pictures,
            emit,
            directory=Path(stack.enter_context(tempfile.TemporaryDirectory())),
            rules=rules or {},
            driver=driver or {},
            engine=dict(engine or {}),
            cache_bytes=cache_bytes,
            check_s=check_s,
        )
        stack.push_async_callback(worker.downloader.aclose)
        stack.push_async_callback(worker.die)
        if keeps:
            await worker.keep()
        yield worker


async def enrol(redis, team, *key_ids, **rights):
    """Write keys down under ids of the test's choice, with the fields that an admission reads."""
    await redis.sadd("teams", team)
    for key_id in key_ids:
        await redis.hset(f"{{{team}}}:key:{key_id}", mapping={"created": 1} | rights)


def wish(plan, **changes):
    """Make a request of some team and key for a plan."""
    return Wish(plan, **({"team": "art", "key_id": "k1"} | changes))


async def begin(worker, plan, **changes):
    """Start a generation, or take a share in one; returns the ticket."""
    return await worker.generations.start(wish(plan, **changes))


async def collect(worker, ticket):
    """Wait for a ticket's outcome, and be answered."""
    try:
        return await asyncio.shield(ticket.task)
    finally:
        worker.generations.leave(ticket, answered=True)


async def leave(worker, ticket):
    """Give up waiting, as a client does that hangs up; returns when that has been noted."""
    worker.generations.leave(ticket, answered=False)
    await worker.quiet()


async def make(worker, plan, **changes):
    """Wait for the outcome of a generation, as its request does: leaving cancels nothing."""
    return await collect(worker, await begin(worker, plan, **changes))


async def admitted(worker, plan, **changes):
    """Reserve and lease a generation, and stop there: the test makes it, or not."""
    question = admission(wish(plan, **changes), f"gen_{secrets.token_hex(12)}", ttl_s=3600, missing="")
    verdict = await worker.ledger.admit("art", question)
    generation = Generation(
        verdict.generation,
        plan.brief,
        plan.model,
        ledger=worker.ledger,
        team="art",
        key_id="k1",
        epoch=verdict.epoch,
        lease_ends=time.monotonic() + worker.ledger.rules.lease_ms / 1000,
        kept_s=3600,
    )
    generation.waiting = 1
    return generation


def plan_for(model="dall-e-3", **fields):
    """Plan a request for a shipped model."""
    return PLANNER.plan({"model": model, "prompt": "a red fox"} | fields)

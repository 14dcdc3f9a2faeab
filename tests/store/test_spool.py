"""What is bought while Redis is away: written down before, booked after, once."""

import pytest

from gateway.store.journal import Admission, PartReport
from gateway.store.ledger import Ledger
from gateway.store.scripts import Scripts
from gateway.store.spool import Spool
from gateway.telemetry.events import GenerationBooked
from tests.support.books import RULES
from tests.support.ledger import unheard, untold
from tests.support.ledger_reading import booked, reserved, used

AT = 1_764_000_000.0
COST = 60_000


class Booked:
    """A Redis to read the books of, as the helpers take it."""

    def __init__(self, redis):
        self.redis = redis


@pytest.fixture
async def books(worker_ledger):
    return Booked(worker_ledger._redis)


@pytest.fixture
async def worker_ledger(redis_client):
    """Give a ledger whose team `art` has the key k1."""
    await redis_client.hset("{art}:key:k1", "created", 1)
    return Ledger(Scripts(redis_client), redis_client, RULES)


@pytest.fixture
def events():
    return []


@pytest.fixture
def heard():
    """Keep what the spools say that they have booked: generation, cost."""
    return []


@pytest.fixture
def spool_at(tmp_path, worker_ledger, events, heard):
    """Give a function that opens a spool of the same directory, as another process would."""
    opened = []

    async def hear(generation, cost):
        heard.append((generation, cost))

    def spool():
        opened.append(Spool(tmp_path / "spool", worker_ledger, booked=hear, now=lambda: AT, emit=events.append))
        return opened[-1]

    yield spool
    for one in opened:
        if one._file is not None:
            one._file.close()


def asked(name="gen_1", n=1, *, fp="fp1", shared=True):
    return Admission(
        id=name, key="k1", model="V3", fp=fp, n=n, counts=(1,) * n, plan="{}", ttl_s=60, estimate=COST * n, shared=shared
    )  # fmt: skip


def delivered(part=1):
    return PartReport(part, "delivered", 1, COST, 0, "{}")


async def buy(spool, name="gen_1", n=1, **asked_for):
    """Admit a request and let its first call go out."""
    spool.admit("art", asked(name, n, **asked_for))
    assert await spool.mark("art", name, 1, 1, "sent") == "ok"


async def test_what_was_delivered_is_booked_once(spool_at, books):
    """On the day that it was made, at its cost; the file is gone, and a second booking finds nothing."""
    spool = spool_at()
    await buy(spool)
    settled = await spool.settle("art", "gen_1", 1, [delivered()])
    assert (settled.state, settled.images, settled.cost, settled.ended) == ("delivered", 1, COST, True)
    assert [await spool.book() for _ in range(2)] == [1, 0]
    assert await booked(books) == {"requests": 1, "generations": 1, "images": 1, "cost": COST}
    assert await used(books) == (1, COST)
    assert await reserved(books) == (0, 0)
    assert await books.redis.exists("{art}:usage:20251124")


async def test_a_file_that_is_booked_again_changes_nothing(spool_at, books, tmp_path, events, heard):
    """The worker died between the last booking and the end of its file: nobody hears of it a second time."""
    spool = spool_at()
    await buy(spool)
    await spool.settle("art", "gen_1", 1, [delivered()])
    [path] = (tmp_path / "spool").iterdir()
    text = path.read_bytes()
    assert await spool.book() == 1
    path.write_bytes(text)
    assert await spool_at().book() == 0
    assert await used(books) == (1, COST)
    assert (events, heard) == ([GenerationBooked("art", "V3", 1, COST)], [("gen_1", COST)])


async def test_what_is_under_way_is_not_booked_yet(spool_at, books):
    """Its file is its own worker's as long as that lives, and another worker leaves it alone."""
    spool, other = spool_at(), spool_at()
    await buy(spool, n=2)
    await spool.settle("art", "gen_1", 1, [delivered(1)])
    assert [await spool.book(), await other.book()] == [0, 0]
    await spool.settle("art", "gen_1", 1, [delivered(2)])
    assert await spool.book() == 1
    assert (await booked(books))["images"] == 2


async def test_what_a_dead_worker_bought_is_booked_by_another(spool_at, books):
    """What it never told the end of is unknown, and charged at the estimate."""
    dead = spool_at()
    await buy(dead, n=2)
    await dead.settle("art", "gen_1", 1, [delivered(1)])
    dead._file.close()  # as the kernel does
    assert await spool_at().book() == 1
    assert await booked(books) == {"requests": 1, "generations": 1, "images": 1, "unknown": 1, "cost": 2 * COST}


async def test_a_line_that_was_cut_off_was_never_acted_upon(spool_at, books, tmp_path):
    """The disk was full, or the power went, in the middle of writing it."""
    dead = spool_at()
    await buy(dead)
    await dead.settle("art", "gen_1", 1, [delivered()])
    dead._file.close()
    [path] = (tmp_path / "spool").iterdir()
    path.write_bytes(path.read_bytes() + b'{"id":"gen_2","team":"art","admis')
    assert await spool_at().book() == 1
    assert (await booked(books))["images"] == 1


async def test_what_was_never_sent_leaves_no_line(spool_at, books, tmp_path):
    """A request that was turned away costs nobody anything."""
    spool = spool_at()
    spool.admit("art", asked())
    settled = await spool.settle("art", "gen_1", 1, [PartReport(1, "dropped")])
    assert settled.ended
    assert not (tmp_path / "spool").exists()
    assert await spool.book() == 0
    assert await booked(books) == {}


async def test_what_nobody_waits_for_is_not_bought(spool_at, tmp_path):
    """Without Redis nobody else can wait for it."""
    spool = spool_at()
    spool.admit("art", asked())
    assert await spool.mark("art", "gen_1", 1, 1, "sent", unless_abandoned=True) == "abandoned"
    assert not (tmp_path / "spool").exists()


async def test_equal_requests_join_within_the_worker(spool_at):
    """While it is being made; not another team's, not what is unshared, and not what has ended."""
    spool = spool_at()
    await buy(spool)
    assert spool.admit("art", asked("gen_2")).generation == "gen_1"
    assert spool.admit("maths", asked("gen_3")).kind == "lead"
    assert spool.admit("art", asked("gen_4", shared=False)).kind == "lead"
    await spool.settle("art", "gen_1", 1, [delivered()])
    assert spool.admit("art", asked("gen_5")).kind == "lead"


async def test_a_disk_that_takes_no_line_stops_the_purchase(worker_ledger, tmp_path):
    """Nothing is bought that would not be booked."""
    (tmp_path / "file").write_text("in the way")
    spool = Spool(tmp_path / "file" / "spool", worker_ledger, booked=unheard, now=lambda: AT, emit=untold)
    spool.admit("art", asked())
    with pytest.raises(NotADirectoryError):
        await spool.mark("art", "gen_1", 1, 1, "sent")


async def test_the_directory_is_nobody_elses(spool_at, tmp_path):
    """It tells who bought what."""
    await buy(spool_at())
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700

"""A month in the life of a gateway: teams, keys, limits, usage, and a few pictures, made up but plausible."""

import asyncio
import io
import random
import time
from datetime import UTC, datetime

import msgspec
from PIL import Image, ImageDraw

from gateway.generation.archive import Archive
from gateway.generation.pictures import Picture
from gateway.store.blobs import Blobs
from gateway.store.keys import Keys
from gateway.store.limits import NO_LIMITS, Limits, as_changes
from gateway.store.teams import Teams
from tests.support.books import DAY_S, RULES, Books
from tests.support.valkey import gateway_client

TEAMS = {
    "art": Limits(images_per_day=60, budget_per_month=60_000_000, max_concurrent=8),
    "marketing": Limits(images_per_day=18, budget_per_month=9_000_000),
    "web-shop": Limits(requests_per_minute=120, budget_per_month=40_000_000, max_concurrent=4),
    "research": NO_LIMITS,
}
KEYS = {
    "art": [("laptop", NO_LIMITS), ("render-farm", Limits(images_per_day=40, max_concurrent=4))],
    "marketing": [("campaign tool", Limits(requests_per_minute=30))],
    "web-shop": [("product pages", Limits(images_per_day=500))],
    "research": [("notebook", NO_LIMITS)],
}
MODELS = [
    ("gpt-image-1", 167_000, 5),
    ("flux-kontext-max", 80_000, 4),
    ("V3", 60_000, 3),
    ("imagen-4.0-generate-001", 40_000, 4),
    ("doubao-seedream-4-0-250828", 30_000, 2),
    ("Qwen-Image", 35_000, 1),
]
_BUSY = {"art": 11, "marketing": 7, "web-shop": 14, "research": 3}


def live_through(url):
    """Fill the Redis of that URL with the thirty days until now."""
    asyncio.run(_month(url))


async def _month(url):
    chance = random.Random(4)
    async with gateway_client(url) as redis:
        books = Books(redis, msgspec.structs.replace(RULES, lease_ms=600_000))
        archive = Archive(Blobs(redis), memory_bytes=0)
        keys = {team: [await _key(redis, team, *key) for key in KEYS[team]] for team in KEYS}
        for team, limits in TEAMS.items():
            await Teams(redis).set(team, as_changes(limits))
        now = int(time.time())  # noqa: TID251  the pages show the real today
        for back in range(29, 0, -1):
            is_weekend = datetime.fromtimestamp(now - back * DAY_S, UTC).weekday() > 4
            for team, busy in _BUSY.items():
                for _ in range(round(busy * chance.uniform(0.4, 1.3) * (0.3 if is_weekend else 1))):
                    books.clock.now = now - back * DAY_S + chance.uniform(-20_000, 20_000)
                    await _one(books, chance, team, chance.choice(keys[team]))
        midnight = now - now % DAY_S
        moments = sorted(chance.uniform(max(midnight, now - 1500), now - 2) for _ in range(34))
        for moment in moments:
            books.clock.now = moment
            team = chance.choices(list(_BUSY), list(_BUSY.values()))[0]
            kept = await archive.keep([await _picture(chance)], None, 3600)
            await _one(books, chance, team, chance.choice(keys[team]), result=kept)
        books.clock.now = now
        await books.lead("art", key=keys["art"][0], model="flux-kontext-max", estimate=80_000, fp="under-way")


async def _key(redis, team, name, limits):
    return (await Keys(redis).create(team, name, limits=limits, expires_s=None)).id


async def _one(books, chance, team, key, result='{"x":1}'):
    model, price, _ = chance.choices(MODELS, [weight for *_, weight in MODELS])[0]
    n = chance.choice([1, 1, 1, 2])
    asked = {"key": key, "model": model, "n": n, "estimate": price * n, "shared": True, "stores": True}
    fp = f"fp{chance.getrandbits(64):x}"
    verdict = await books.ask(team, fp=fp, **asked)
    if verdict.kind != "lead":
        return
    fate = chance.random()
    if fate < 0.92:
        await books.deliver(verdict.generation, team, images=n, cost=price * n, result=result)
        if chance.random() < 0.3:
            await books.ask(team, **asked, fp=fp)
    elif fate < 0.98:
        await books.fail(verdict.generation, team)
    else:
        await books.lose(verdict.generation, team)


async def _picture(chance):
    """Draw something like a landscape."""
    width, height = chance.choice([(768, 768), (768, 512), (512, 768)])
    hue = [chance.randrange(60, 220) for _ in range(3)]
    image = Image.new("RGB", (width, height), tuple(min(255, level + 35) for level in hue))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.6, height * 0.12, width * 0.78, height * 0.12 + width * 0.18), fill="#fff3c4")
    for layer in range(4):
        shade = tuple(max(0, level - 40 * layer - 20) for level in hue)
        top = height * (0.45 + 0.13 * layer)
        points = [(x * width / 6, top + chance.uniform(-40, 40)) for x in range(7)]
        draw.polygon([(0, height), *points, (width, height)], fill=shade)
    out = io.BytesIO()
    image.save(out, "PNG")
    return Picture(out.getvalue(), "png", width, height, has_alpha=False)

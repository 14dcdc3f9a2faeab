"""The store is looked at by its own clock."""

import asyncio
import time

from gateway.cli.checks.store import check_store
from gateway.settings import load_settings
from tests.support.books import Books


async def test_leases_end_by_the_clock_of_redis(redis_client, valkey_url):
    """A host whose clock is fast is told so, and calls no generation lost that is not."""
    books = Books(redis_client)
    books.clock.now = time.time_ns() // 10**9
    await books.lead("art")

    findings, _ = await check_store(load_settings({"REDIS_URL": valkey_url}), lambda: time.time_ns() / 1e9 + 3600)

    told = {(finding.level, finding.about): finding.told for finding in findings}
    assert told["ok", "generations"] == "1 under way, of 1 teams; 0 delivered by another worker than began them today"
    assert ("problem", "generations") not in told
    assert told["warning", "clock"].startswith("of this host is 3600.0 s ahead of that of Redis")


async def test_the_server_of_image_bytes_is_asked_as_the_gateway_asks_it(valkey_url, own_valkey):
    """By its own time-out: one that hangs is told of after that, however long state may take."""
    own_valkey.pause()
    settings = {
        "REDIS_URL": valkey_url,
        "GATEWAY_REDIS_COMMAND_TIMEOUT_S": "3600",
        "GATEWAY_BLOBS_URL": own_valkey.url,
        "GATEWAY_BLOBS_COMMAND_TIMEOUT_S": "0.2",
    }
    async with asyncio.timeout(20):
        findings, _ = await check_store(load_settings(settings), lambda: time.time_ns() / 1e9)
    own_valkey.resume()

    [told] = [finding.told for finding in findings if (finding.level, finding.about) == ("problem", "blobs")]
    assert told.startswith("does not answer: check GATEWAY_BLOBS_URL")

"""The store is looked at by its own clock."""

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

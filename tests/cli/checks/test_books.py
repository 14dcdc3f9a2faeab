"""What waits for somebody."""

from datetime import datetime

import pytest

from gateway.cli import books as commands
from gateway.cli.checks.books import check_books
from gateway.cli.checks.finding import ok
from gateway.settings import load_settings
from tests.support.books import DAY_S, Books


def test_what_waits_for_somebody_is_told_by_team(found, in_books):
    """Without a worker is a problem, in dispute a warning; what is under way is fine."""

    async def make(books):
        await books.lead("art")
        await books.lose(await books.lead("zoo"), "zoo")
        books.clock.now -= 60
        await books.lead("old")

    in_books(make)
    told = found(1)
    assert told("ok", "generations") == "2 under way, of 3 teams; 0 delivered by another worker than began them today"
    assert told("problem", "generations").startswith("1 of team old have lost their worker")
    assert "list --state unknown --team zoo" in told("warning", "generations")
    assert told.teams == [
        {"team": "art", "open": 1, "overdue": 0, "unresolved": 0},
        {"team": "old", "open": 1, "overdue": 1, "unresolved": 0},
        {"team": "zoo", "open": 0, "overdue": 0, "unresolved": 1},
    ]


@pytest.mark.parametrize("time_of_day", ["00:00:00", "12:00:00", "23:59:59"])
async def test_what_was_recovered_today_is_told(redis_client, time_of_day):
    """Until the day is over by the clock that is given."""
    books = Books(redis_client)
    now = books.clock.now = datetime.fromisoformat(f"2026-11-22T{time_of_day}+00:00").timestamp()
    await books.recover(await books.lead("art"))
    kept = commands.Books(redis_client, load_settings({}))

    for day, recovered in (now, 1), (now + DAY_S, 0):
        ([told, *_], _) = await check_books(kept, day)
        told_so = f"0 under way, of 1 teams; {recovered} delivered by another worker than began them today"
        assert told == ok("generations", told_so)


def test_brakes_that_hold_are_told(command, found):
    command("brakes", "off", "V3")
    command("brakes", "set", "--budget-usd-per-month", "0")
    told = found()("warning", "brakes")
    assert "the budget of $0 is used up" in told
    assert told.endswith("off by `gateway brakes off`: V3")

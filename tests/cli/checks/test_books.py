from gateway.cli.books import Books
from gateway.cli.checks.books import check_books
from gateway.settings import load_settings
from tests.support.books import DAY_S, NOON
from tests.support.books import Books as MadeBooks


async def test_what_others_delivered_is_told_of_its_day(redis_client, valkey_url):
    """On the day of its request alone, by the clock of Redis."""
    made = MadeBooks(redis_client)
    await made.recover(await made.lead("art"))
    books = Books(redis_client, load_settings({"REDIS_URL": valkey_url}))
    for now, count in ((NOON, 1), (NOON + DAY_S, 0)):
        (found, *_), _ = await check_books(books, now)
        assert f"0 under way, of 1 teams; {count} delivered by another worker than began them today" == found.told


def test_what_waits_for_somebody_is_told_by_team(found, in_books):
    """Without a worker is a problem, in dispute a warning; what is under way is fine."""

    async def make(books):
        await books.lead("art")
        await books.lose(await books.lead("zoo"), "zoo")
        books.clock.now -= 60
        await books.lead("old")

    in_books(make)
    told = found(1)
    assert told("ok", "generations").startswith("2 under way, of 3 teams; ")
    assert told("problem", "generations").startswith("1 of team old have lost their worker")
    assert "list --state unknown --team zoo" in told("warning", "generations")
    assert told.teams == [
        {"team": "art", "open": 1, "overdue": 0, "unresolved": 0},
        {"team": "old", "open": 1, "overdue": 1, "unresolved": 0},
        {"team": "zoo", "open": 0, "overdue": 0, "unresolved": 1},
    ]


def test_brakes_that_hold_are_told(command, found):
    command("brakes", "off", "V3")
    command("brakes", "set", "--budget-usd-per-month", "0")
    told = found()("warning", "brakes")
    assert "the budget of $0 is used up" in told
    assert told.endswith("off by `gateway brakes off`: V3")

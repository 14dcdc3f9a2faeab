def test_what_waits_for_somebody_is_told_by_team(found, in_books):
    """Without a worker is a problem, in dispute a warning; what is under way is fine."""

    async def make(books):
        await books.recover(await books.lead("art"))
        await books.lose(await books.lead("zoo"), "zoo")
        books.clock.now -= 60
        await books.lead("old")

    in_books(make)
    told = found(1)
    assert told("ok", "generations") == "1 under way, of 3 teams; 1 delivered by another worker than began them today"
    assert told("problem", "generations").startswith("1 of team old have lost their worker")
    assert "list --state unknown --team zoo" in told("warning", "generations")
    assert told.teams == [
        {"team": "art", "open": 0, "overdue": 0, "unresolved": 0},
        {"team": "old", "open": 1, "overdue": 1, "unresolved": 0},
        {"team": "zoo", "open": 0, "overdue": 0, "unresolved": 1},
    ]


def test_brakes_that_hold_are_told(command, found):
    command("brakes", "off", "V3")
    command("brakes", "set", "--budget-usd-per-month", "0")
    told = found()("warning", "brakes")
    assert "the budget of $0 is used up" in told
    assert told.endswith("off by `gateway brakes off`: V3")

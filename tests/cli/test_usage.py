import csv
import io
import json
import re
from datetime import UTC, datetime

import pytest


@pytest.fixture
def today(in_books):
    """Two teams draw today; returns the day."""

    async def draw(books):
        await books.deliver(await books.lead("art", n=2, estimate=120_000), "art", images=2, cost=120_000)
        await books.deliver(await books.lead("zoo", key="k2", model="Qwen-Image"), "zoo", cost=35_001)
        return f"{datetime.fromtimestamp(books.clock.now, UTC):%Y-%m-%d}"

    return in_books(draw)


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_a_table_tells_dollars_and_ends_with_the_sum(command, today):
    """With cents, or as many decimals as one of the amounts needs."""
    told = command("usage", "--by", "team").stdout
    assert rows(told) == [
        "TEAM REQUESTS IMAGES HITS JOINS FAILURES UNKNOWN DENIED COST USD SPARE USD".split(),
        "art 1 2 0 0 0 0 0 0.120000 0.00".split(),
        "zoo 1 1 0 0 0 0 0 0.035001 0.00".split(),
        "total 2 3 0 0 0 0 0 0.155001 0.00".split(),
    ]
    assert rows(command("usage", "--team", "art").stdout)[1] == [today, "1", "2", *"00000", "0.12", "0.00"]


def test_json_is_for_programs(command, today):
    """Money is a decimal number of dollars, digit by digit."""
    printed = command("usage", "--by", "model", "--since", "1d", "--format", "json").stdout
    told = json.loads(printed)
    assert (told["since"], told["until"], told["by"]) == (today, today, "model")
    assert [(line["model"], line["cost_usd"]) for line in told["lines"]] == [("Qwen-Image", 0.035001), ("V3", 0.12)]
    assert '"cost_usd": 0.155001' in printed
    assert told["total"]["images"] == 3


@pytest.mark.usefixtures("today")
def test_csv_is_for_spreadsheets(command):
    """A line each under a head, without the sum, which a spreadsheet would add once more."""
    told = list(csv.DictReader(io.StringIO(command("usage", "--by", "key", "--format", "csv").stdout)))
    assert [(line["key"], line["images"], line["cost_usd"], line["generations"]) for line in told] == [
        ("k1", "2", "0.12", "1"),
        ("k2", "1", "0.035001", "1"),
    ]


@pytest.mark.usefixtures("today")
def test_days_that_are_not_asked_for_are_left_out(command):
    """The range is of UTC days."""
    told = command("usage", "--since", "2026-01-01", "--until", "2026-01-31").stdout
    assert len(rows(told)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--since", "2026-13-01"),
        ("--since", "2026-01-02", "--until", "2026-01-01"),
        ("--by", "user"),
        ("--team", "No Team"),
        ("--check", "--team", "No Team"),
    ],
)
def test_wrong_usage_is_told_with_status_2(command, arguments):
    assert "Error: " in command("usage", *arguments, code=2).stderr


@pytest.mark.usefixtures("today")
def test_books_that_agree_are_proved(command):
    """With exit status 0."""
    assert command("usage", "--check") == ("", "2 teams, 0 differences.\n")


def test_books_that_disagree_are_told_line_by_line(command, today, valkey):
    """With exit status 1; one team may be asked for alone."""
    with valkey.client() as client:
        client.hincrby(f"{{art}}:usage:{today.replace('-', '')}", "k1|V3|cost", 7)
    told = command("usage", "--check", code=1).stdout
    assert re.fullmatch(r"team art: usage:\d{8} k1\|V3\|cost is 120007, and should be 120000\n", told)
    command("usage", "--check", "--team", "zoo")
    proofs = json.loads(command("usage", "--check", "--format", "json", code=1).stdout)
    assert [len(proof["differences"]) for proof in proofs] == [1, 0]
    assert proofs[0]["differences"][0]["proved"] == 120_000


def test_redis_away_is_one_line(command):
    told = command("usage", code=1, REDIS_URL="unix:///nowhere").stderr
    assert told.startswith("Error: Redis does not answer; check REDIS_URL")

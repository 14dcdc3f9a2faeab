import json
import os

import pytest


@pytest.fixture
def two(in_books):
    """One generation under way, one in dispute; returns their ids."""

    async def make(books):
        running = await books.lead("art", user="u7")
        await books.ledger.mark("art", running, 1, 1, "submitted", task="t-1")
        lost = await books.lead("zoo")
        await books.lose(lost, "zoo")
        return running, lost

    return in_books(make)


def test_what_is_under_way_is_listed(command, two):
    """With the state of its parts, its age and its lease."""
    head, line = command("generations", "list").stdout.splitlines()
    assert head.split()[:8] == ["ID", "TEAM", "KEY", "MODEL", "STATE", "AGE", "LEASE", "EPOCH"]
    assert line.split()[:5] == [two[0], "art", "k1", "V3", "open"]
    assert line.split()[8:] == ["submitted", "0.06"]


def test_what_is_in_dispute_is_listed_until_it_is_resolved(command, two):
    """The user's name, the time and the note stay in the books."""
    assert command("generations", "list", "--state", "unknown").stdout.splitlines()[1].split()[:5] == [
        two[1], "zoo", "k1", "V3", "unknown",
    ]  # fmt: skip
    told = command("generations", "resolve", two[1], "--not-charged", "--note", "not on bill 7").stdout
    assert told == f"{two[1]} is resolved: booked at $0.06 before, at $0 now. In all it costs $0.\n"
    assert command("generations", "list", "--state", "unknown") == (
        "",
        "Nothing is in dispute; --state all shows what was settled lately.\n",
    )
    settled, resolved = json.loads(command("generations", "show", two[1], "--json").stdout)["entries"]
    assert (settled["kind"], settled["cost_usd"], settled["unknown"]) == ("settled", 0.06, 1)
    assert (resolved["by"], resolved["note"], resolved["cost_usd"]) == (
        os.environ.get("USER", "root"),
        "not on bill 7",
        -0.06,
    )
    again = command("generations", "resolve", two[1], "--charged", code=1)
    assert again.stderr == f"Error: The generation {two[1]} was resolved before.\n"


def test_what_upstream_charged_may_be_said(command, two):
    told = command("generations", "resolve", two[1], "--charged", "--cost-usd", "0.04", "--json").stdout
    assert json.loads(told) == {"id": two[1], "was_usd": 0.06, "charged_usd": 0.04, "cost_usd": 0.04}


def test_a_slip_of_the_point_is_not_booked(command, two):
    """For a resolution is for good: the cost is at most 100 times the estimate."""
    told = command("generations", "resolve", two[1], "--charged", "--cost-usd", "60", code=2)
    assert "$60, is not above 0 and at most $6, 100 times the estimate" in told.stderr
    command("generations", "resolve", two[1], "--charged", "--cost-usd", "6")


def test_a_dispute_moves_the_gateways_own_budget_as_well(command, two):
    """Which holds what the team's books say."""
    command("brakes", "set", "--budget-usd-per-month", "10")
    command("generations", "resolve", two[1], "--charged", "--cost-usd", "0.02")
    told = json.loads(command("brakes", "show", "--json").stdout)
    assert (told["used_usd"], told["reserved_usd"]) == (0.02, 0.06)


@pytest.mark.usefixtures("two")
def test_a_budget_below_what_is_gone_is_told_to_refuse_everything(command):
    """Used or reserved, $0.12 in all; one that leaves something is set without a word."""
    told = command("brakes", "set", "--budget-usd-per-month", "0.12").stderr
    assert told.startswith("$0.12 of this month's is used or reserved already: from now on everything is refused")
    assert command("brakes", "set", "--budget-usd-per-month", "0.13").stderr == ""


def test_all_is_what_is_open_in_dispute_and_settled_lately(command, two):
    told = json.loads(command("generations", "list", "--state", "all", "--json").stdout)
    assert [record["id"] for record in told["generations"]] == list(two)
    assert [entry["id"] for entry in told["settlements"]] == [two[1]]
    text = command("generations", "list", "--state", "all").stdout
    assert text.count(two[1]) == 2
    assert len(command("generations", "list", "--state", "all", "--team", "art").stdout.splitlines()) == 2


def test_one_is_shown_in_full(command, two, valkey):
    """From its record, else from the stream."""
    page = command("generations", "show", two[0]).stdout
    assert "part 1       submitted, 0 of 1 images, $0, task t-1\n" in page
    assert "user         u7\n" in page
    assert "unknown" in command("generations", "show", two[1]).stdout
    with valkey.client() as client:
        client.delete(f"{{zoo}}:gen:{two[1]}")
    assert command("generations", "show", two[1]).stdout.startswith(f"The record of {two[1]} (team zoo) is no longer")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "gen_1"), 2),
        (("show", "gen_019988888880000000000000"), 1),
        (("resolve", "gen_019988888880000000000000"), 2),
        (("resolve", "gen_019988888880000000000000", "--charged", "--not-charged"), 2),
        (("resolve", "gen_019988888880000000000000", "--charged"), 1),
        (("resolve", "gen_019988888880000000000000", "--charged", "--cost-usd", "x"), 2),
        (("resolve", "gen_019988888880000000000000", "--not-charged", "--cost-usd", "1"), 2),
        (("list", "--state", "lost"), 2),
    ],
)
def test_what_cannot_be_done_is_one_line(command, arguments, code):
    told = command("generations", *arguments, code=code)
    assert (told.stdout, "Error: " in told.stderr) == ("", True)

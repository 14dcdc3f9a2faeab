import json
import re
import sys

import pytest

from gateway.cli import main


@pytest.fixture
def gateway_teams(valkey_url, capsys, monkeypatch):
    """Run `gateway teams ...` on an empty Valkey; returns its standard output and error, once its code is as told."""

    def run(*arguments, code=0):
        with monkeypatch.context() as process:
            process.setenv("REDIS_URL", valkey_url)
            process.setattr(sys, "argv", ["gateway", "teams", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        assert ended.value.code == code, printed
        return printed.out, printed.err

    return run


def test_set_makes_a_team_and_changes_the_given_limits(gateway_teams):
    """All else stays as it was; none lifts a limit."""
    first = json.loads(gateway_teams("set", "art", "--images-per-day", "5", "--max-concurrent", "2", "--json")[0])
    options = ["--images-per-day", "none", "--budget-usd-per-month", "12.50", "--json"]
    second = json.loads(gateway_teams("set", "art", *options)[0])
    assert first["images_per_day"] == 5
    assert second == first | {"images_per_day": None, "budget_usd_per_month": 12.5}
    assert json.loads(gateway_teams("show", "art", "--json")[0]) == second


def test_show_is_a_page(gateway_teams):
    """A fact a line."""
    gateway_teams("set", "art", "--requests-per-minute", "60")
    told, _ = gateway_teams("show", "art")
    assert re.fullmatch(
        r"team         art\ncreated      \d{4}-\d\d-\d\d \d\d:\d\d UTC\nrequests     60 a minute\n"
        r"images       unlimited\nbudget       unlimited\nconcurrent   unlimited\n",
        told,
    )


def test_list_is_a_table_of_all_teams(gateway_teams):
    """By name, as text and as JSON."""
    assert gateway_teams("list")[1] == "There is no team yet: make one by `gateway teams set T`.\n"
    gateway_teams("set", "zoo")
    gateway_teams("set", "art", "--budget-usd-per-month", "7")
    lines = gateway_teams("list")[0].splitlines()
    assert [line.split()[0] for line in lines] == ["TEAM", "art", "zoo"]
    assert lines[1].endswith("  $7/month")
    assert [team["team"] for team in json.loads(gateway_teams("list", "--json")[0])] == ["art", "zoo"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["set", "Art"], 2, "'Art' is not a team name"),
        (["set", "art", "--max-concurrent", "0"], 2, "max_concurrent = 0: expected a whole number from 1 to 1000000"),
        (["show", "zoo"], 1, "Error: There is no team 'zoo': `gateway teams list` shows them all."),
    ],
)
def test_what_is_wrong_is_told(gateway_teams, arguments, code, said):
    """Nothing is made."""
    assert said in gateway_teams(*arguments, code=code)[1]
    assert json.loads(gateway_teams("list", "--json")[0]) == []


def test_help_has_examples_and_fits_a_terminal(gateway_teams):
    """For the group and every command."""
    for arguments in ([], ["set"], ["list"], ["show"]):
        text, _ = gateway_teams(*arguments, "--help")
        assert re.search(r"Examples:\n +gateway teams ", text)
        assert max(len(line) for line in text.splitlines()) <= 100

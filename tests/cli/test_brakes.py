import json

import pytest


def test_a_budget_is_set_shown_and_lifted(command):
    """In dollars; `none` lifts it."""
    assert command("brakes", "show").stdout == "budget       none\nmodels off   none\n"
    told = command("brakes", "set", "--budget-usd-per-month", "12.50").stdout
    assert told == "The budget of the gateway is $12.5 a month from now on.\n"
    page = command("brakes", "show").stdout
    assert page.startswith("budget       $12.5 a month\nused         $0 in 20")
    assert json.loads(command("brakes", "show", "--json").stdout)["budget_usd_per_month"] == 12.5
    assert command("brakes", "set", "--budget-usd-per-month", "none").stdout == "The budget of the gateway is lifted.\n"
    told = json.loads(command("brakes", "show", "--json").stdout)
    assert (told["budget_usd_per_month"], told["used_usd"], told["off"]) == (None, None, {})


def test_a_model_is_switched_off_and_on_by_any_of_its_names(command):
    assert command("brakes", "off", "ideogram/v3", "--reason", "too dear").stdout == "V3 is off.\n"
    command("brakes", "off", "dall-e-3")
    assert command("brakes", "show").stdout == "budget       none\nV3 is off: too dear\ndall-e-3 is off\n"
    assert command("brakes", "on", "V3").stdout == "V3 is on.\n"
    assert command("brakes", "on", "V3").stdout == "V3 is on, and was before.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("set",),
        ("set", "--budget-usd-per-month", "x"),
        ("off", "nothing"),
        ("on", "nothing"),
        ("off", "V3", "--reason", "x" * 201),
    ],
)
def test_what_makes_no_sense_is_refused(command, arguments):
    assert "Error: " in command("brakes", *arguments, code=2).stderr

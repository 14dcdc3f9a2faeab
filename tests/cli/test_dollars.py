import click
import pytest

from gateway.cli.dollars import Dollars


@pytest.mark.parametrize(("text", "micro"), [("0.06", 60_000), ("12", 12_000_000), ("0", 0), ("0.000001", 1)])
def test_dollars_become_micro_dollars(text, micro):
    assert Dollars().convert(text, None, None) == micro


@pytest.mark.parametrize("text", ["", "$5", "-1", "1e3", "0.0000001", "nan", "none", ".5", "1,5"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(click.BadParameter, match="not an amount of dollars"):
        Dollars().convert(text, None, None)


def test_none_is_an_amount_where_it_may_be():
    assert Dollars(none=True).convert("none", None, None) is None

"""Every golden case: what a client asks, what goes upstream and comes back, what the client gets.

`GOLDEN_UPDATE=1` writes the calls and results anew from the requests and replies; read the difference before you keep it.
"""

import os
from pathlib import Path

import pytest

from gateway.dialects import DIALECTS
from tests.support.golden import replay

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("*/*.txt"))
UPDATE = os.environ.get("GOLDEN_UPDATE") == "1"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_case(case):
    """The calls, their order, and the result are exactly those of the file."""
    written = case.read_text(encoding="utf-8")
    happened = replay(written)
    if UPDATE:
        case.write_text(happened, encoding="utf-8")
    else:
        assert happened == written


def test_every_family_has_cases():
    """A family without a folder of cases is not finished."""
    assert {case.parent.name for case in CASES} == set(DIALECTS)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"n": 1', '"n": 2'),  # another call
        ("images: <png>", "images: <jpeg>"),  # another result
        ("\n----------\nimages", "\n< 200\n{}\n----------\nimages"),  # a reply that nobody asks for
    ],
)
def test_a_wrong_case_fails(was, becomes):
    """A case that says anything else than what happens does not pass."""
    written = (HERE / "openai" / "least.txt").read_text(encoding="utf-8")
    wrong = written.replace(was, becomes)

    assert wrong != written
    assert replay(wrong) != wrong

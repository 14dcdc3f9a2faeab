"""Labels come from closed sets."""

import asyncio
from typing import get_args, get_type_hints

import pytest

from gateway.api.docs.errors import FAILURES
from gateway.errors import GatewayError, Unauthenticated
from gateway.generation.ticket import CacheWord
from gateway.store.ledger import Verdict
from gateway.store.scripts import LUA
from gateway.store.timing import REASONS
from gateway.telemetry.events import outcome_of
from gateway.telemetry.labels import (
    CACHE_VERDICTS,
    OUTCOMES,
    REDIS_REFUSALS,
    REDIS_WRITES,
    RETRY_REASONS,
    VERDICTS,
    TeamLabels,
    member_of,
    outcome_label,
    status_label,
)


def test_every_error_that_a_client_can_meet_is_a_known_outcome():
    """Each code of the documented table, and what has none."""
    codes = {failure.code for failure in FAILURES} - {None}

    assert codes <= OUTCOMES
    for error in (None, GatewayError("x"), Unauthenticated("x"), KeyError("x"), asyncio.CancelledError()):
        assert outcome_of(error) in OUTCOMES


def test_what_stands_at_zero_is_what_will_be_counted():
    """The words are those of the code that counts them."""
    assert get_args(get_type_hints(Verdict)["kind"]) == VERDICTS
    assert get_args(CacheWord) == CACHE_VERDICTS
    assert set(REDIS_REFUSALS) <= set(REASONS)
    assert {f"{call}.lua" for call in REDIS_WRITES} <= {path.name for path in LUA.iterdir()}
    assert set(RETRY_REASONS) <= OUTCOMES


def test_what_is_not_known_is_other():
    """And what does not apply stays empty."""
    label = member_of(["V3"])

    assert ["V3", "other", ""] == [label("V3"), label("V4"), label("")]
    assert "other" == outcome_label("a prompt")


@pytest.mark.parametrize(
    ("status", "label"), [(200, "200"), (499, "499"), (524, "524"), (299, "200s"), (999, "900s"), (-5, "-100s")]
)
def test_statuses_that_nobody_knows_go_by_their_class(status, label):
    """Upstream may send any number."""
    assert label == status_label(status)


def test_workers_give_labels_to_the_same_teams(tmp_path):
    """Together no more than there may be, and none of them twice."""
    one, two = (TeamLabels(2, tmp_path / "teams") for _ in range(2))

    assert ["a", "b", "other", "a", "b", ""] == [one("a"), two("b"), one("c"), two("a"), one("b"), one("")]
    assert "a\nb\n" == (tmp_path / "teams").read_text()


def test_a_file_that_cannot_be_had_costs_a_label_and_no_more(tmp_path):
    """The request goes on."""
    assert "other" == TeamLabels(2, tmp_path / "gone" / "teams")("a")

"""Labels come from closed sets."""

import ast
import asyncio
import inspect
from typing import get_args, get_type_hints

import pytest

from gateway.api.docs.errors import FAILURES
from gateway.api.images import generations_route
from gateway.dialects import refusals
from gateway.errors import GatewayError, OutcomeUnknown, Unauthenticated, Unavailable, UpstreamFailed
from gateway.generation import delivery, driver, keeper, waiting
from gateway.generation.pictures import NoPicture
from gateway.generation.ticket import CacheWord
from gateway.store.journal import State
from gateway.store.ledger import Verdict
from gateway.store.scripts import LUA
from gateway.store.timing import REASONS
from gateway.telemetry.events import GenerationExpired, PartFailed, outcome_of
from gateway.telemetry.labels import (
    CACHE_VERDICTS,
    CHORES,
    IMAGE_ROUTE,
    LOST_OUTCOMES,
    OUTCOMES,
    RECOVERED,
    REDIS_REFUSALS,
    REDIS_WRITES,
    REJECTIONS,
    RETRY_REASONS,
    UNKNOWN_CAUSES,
    VERDICTS,
    TeamLabels,
    member_of,
    outcome_label,
    status_label,
)
from gateway.telemetry.metrics import Metrics
from gateway.upstream.download import DownloadFailed


def test_every_error_that_a_client_can_meet_is_a_known_outcome():
    """Each code of the documented table, and what has none."""
    codes = {failure.code for failure in FAILURES} - {None}

    assert codes <= OUTCOMES
    for error in (None, GatewayError("x"), Unauthenticated("x"), KeyError("x"), asyncio.CancelledError()):
        assert outcome_of(error) in OUTCOMES


def calls(name, *modules):
    """Find the calls of a function or method of that name in modules."""
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and name in {getattr(node.func, "id", ""), getattr(node.func, "attr", "")}:
                yield node


def codes(error, *modules):
    """Tell the codes under which modules make an error."""
    for call in calls(error.__name__, *modules):
        yield next((word.value.value for word in call.keywords if word.arg == "code"), error.code)


def test_verdicts_at_zero_are_those_that_are_given():
    """By the ledger, and for the cache's header."""
    assert get_args(get_type_hints(Verdict)["kind"]) == VERDICTS
    assert get_args(CacheWord) == CACHE_VERDICTS


def test_redis_errors_at_zero_are_those_of_scripts():
    """Which exist, and fail for reasons of a closed set."""
    assert set(REDIS_REFUSALS) <= set(REASONS)
    assert {f"{call}.lua" for call in REDIS_WRITES} <= {path.name for path in LUA.iterdir()}


def test_chores_at_zero_are_those_that_tell_of_trouble():
    """All of them, under their own names."""
    told = [call.args[0] for name in ("_often", "StoreTroubled") for call in calls(name, keeper, waiting)]
    assert set(CHORES) == {word.value for word in told if isinstance(word, ast.Constant)}


def test_recoveries_at_zero_are_the_ends_of_generations():
    """As the ledger tells them, and as a worker does that has collected what another began."""
    assert {outcome_of(None), *get_args(State)} - {"open"} == set(RECOVERED)


def test_lost_pictures_at_zero_are_the_ways_to_lose_one():
    """It cannot be fetched, is none, or is lost by a fault of our own."""
    lost = [delivery._not_fetched(DownloadFailed("timeout", retryable=False)), NoPicture("x"), ValueError()]
    assert [outcome_of(error) for error in lost] == list(LOST_OUTCOMES)


def test_retries_at_zero_are_what_a_paid_call_is_made_again_for():
    """Whatever tells that upstream has not accepted it."""
    assert set(RETRY_REASONS) == set(codes(Unavailable, driver, refusals))


def test_rejections_at_zero_are_errors_of_our_own_account():
    """Among those that upstream's refusals become."""
    assert set(REJECTIONS) <= set(codes(UpstreamFailed, refusals))


def test_causes_at_zero_are_those_that_are_counted():
    """The answer was lost, or the worker."""
    metrics = Metrics(["V3"])
    metrics(PartFailed("V3", outcome_of(OutcomeUnknown("x"))))
    metrics(GenerationExpired("g", "art", "V3", "unknown", unknown_parts=1))
    counted = {
        sample.labels["cause"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "gateway_unknown_outcomes_total"
    }
    assert counted == dict.fromkeys(UNKNOWN_CAUSES, 1)


def test_the_route_at_zero_is_that_of_images():
    """It has a handler."""
    route = generations_route(
        keys=None, planner=None, generations=None, hosting=None, origin=None, waiting=None, clock=None
    )
    assert route.paths == {IMAGE_ROUTE}


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

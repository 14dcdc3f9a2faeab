"""The poll loop: when it asks, how long it is patient, what ends it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.catalog import Poll
from gateway.dialects import tasks
from gateway.dialects.base import Call, Image, Reply, Result, Wait
from gateway.errors import Moderated, OutcomeUnknown, UpstreamFailed
from tests.support.golden import CATALOG, tried

PRO = CATALOG.resolve("flux-kontext-pro")
URL = "https://delivery.bfl.ai/a.png"
PENDING = {"status": "Pending"}
READY = {"status": "Ready", "result": {"sample": URL}}


def collect(*bodies, model=PRO, status=200, pauses=None):
    """Answer each poll with the next body, the last one for ever; give the result, or raise."""
    answers = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    steps = tasks.collect(model, "t")
    step = next(steps)
    try:
        while True:
            assert isinstance(step, Wait)
            (pauses if pauses is not None else []).append(step.seconds)
            call = steps.send(None)
            assert (call.method, call.origin, call.billable, call.body) == ("GET", "tasks", False, None)
            step = steps.send(Reply(status, answers.pop(0) if len(answers) > 1 else answers[0]))
    except StopIteration as stop:
        return stop.value


def test_pace():
    """Polls start early, back off by the row's factor, and never pause longer than its limit."""
    pauses = []

    result = collect(
        *[PENDING] * 5, READY, model=structs.replace(PRO, poll=Poll(first_s=0.5, factor=2.0, max_s=3.0)), pauses=pauses
    )

    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]
    assert result == Result([Image(url=URL)])


def test_pace_without_a_row():
    """A model that is not known for tasks is polled at a default pace."""
    pauses = []
    collect(PENDING, READY, model=structs.replace(PRO, poll=None), pauses=pauses)

    assert pauses == [1.0, 1.25]


def test_the_id_is_opaque():
    """Whatever an id holds, it stays one segment of the path."""
    steps = tasks.collect(PRO, "api.us1/../x?y#z%2F é")
    next(steps)

    assert steps.send(None) == Call("/v1/tasks/api.us1%2F..%2Fx%3Fy%23z%252F%20%C3%A9", method="GET", origin="tasks")


@pytest.mark.parametrize("status", ["Pending", "Reasoning", "Generating", "Queued", "", None, 7, ["x"]])
def test_patience(status):
    """A task under way is waited for, by whatever name; an unknown status ends nothing."""
    assert collect({"status": status, "result": None}, READY) == Result([Image(url=URL)])


@pytest.mark.parametrize("body", [b"", b"<html>", [], "x", {"result": None}])
def test_garbage(body):
    """A poll that tells nothing is followed by another."""
    assert collect(body, READY).images


@pytest.mark.parametrize(
    "body",
    [
        READY,
        {"status": "ready", "result": {"samples": [URL]}},
        {"status": "succeeded", "output": [{"url": URL}]},
        {"status": "completed", "result": {"seed": 1}, "output": URL},
        {"status": "Done", "result": {"sample": URL}},
        {"output": {"urls": [URL]}},
    ],
)
def test_pictures(body):
    """A picture is delivered from wherever it stands, under a status that is known or not."""
    assert collect(body) == Result([Image(url=URL)])


@pytest.mark.parametrize("status", ["Pending", "Generating"])
def test_a_preview_is_no_result(status):
    """What comes while the task is under way is not the picture that was paid for."""
    assert (
        collect({"status": status, "result": {"sample": "https://x.example/preview.png"}}, READY).images[0].url == URL
    )


def test_the_prompts_echo_is_no_revised_prompt():
    """BFL's result repeats the request's prompt."""
    assert collect({"status": "Ready", "result": {"sample": URL, "prompt": "a fox"}}).images[0].revised_prompt is None


@pytest.mark.parametrize("status", ["Request Moderated", "Content Moderated"])
@pytest.mark.parametrize("reason", [{"details": {"Moderation Reasons": ["Gore"]}}, {"detail": "Gore"}])
def test_moderation(status, reason):
    """Both kinds are refusals; the reason is read from either key."""
    with pytest.raises(Moderated, match="Gore"):
        collect(PENDING, {"status": status} | reason)


@pytest.mark.parametrize("body", [{"status": "Error", "detail": "disk at https://bfl.ai full"}, {"status": "failed"}])
def test_failure(body):
    """A failed task is a failure that invites no repetition, told without upstream's address."""
    with pytest.raises(UpstreamFailed) as caught:
        collect(body)
    assert caught.value.should_retry is False
    assert "bfl.ai" not in caught.value.message


def test_ready_without_a_picture():
    """That is a failure, too, and may have cost."""
    with pytest.raises(UpstreamFailed, match="may have been charged"):
        collect({"status": "Ready", "result": {}})


@pytest.mark.parametrize(
    ("body", "status"), [({"status": "Task not found"}, 200), ({"detail": "Not Found"}, 404), (b"", 404)]
)
def test_a_lost_task(body, status):
    """Not known for more than a quarter of a minute in a row: its outcome is unknown, and it is not bought again."""
    pauses = []
    with pytest.raises(OutcomeUnknown) as caught:
        collect(body, status=status, pauses=pauses)
    assert 15 < sum(pauses) < 25
    assert caught.value.should_retry is False


def test_patience_starts_anew():
    """A task that shows up in between is not lost."""
    lost = {"status": "Task not found"}

    assert collect(*[lost] * 7, PENDING, *[lost] * 3, READY).images


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(),
        lambda i: (
            st.lists(i) | st.dictionaries(st.sampled_from(["status", "result", "output", "sample", "details", "x"]), i)
        ),
        max_leaves=8,
    )
)
def test_any_answer(body):
    """Any JSON is patience, pictures, or an error that a client can be sent."""
    result, refusal = tried(collect, body, READY)
    assert result or refusal.status in {400, 502}

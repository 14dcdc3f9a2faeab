"""Flux tasks go through every status, and fail to when told."""

from urllib.parse import quote

import httpx
import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from tests.support.sandbox_calls import KEY, buy, poll


@pytest.fixture
def now():
    """Hold a clock in the hand."""
    return [1000.0]


@pytest.fixture
def slow(now):
    """Run a sandbox whose tasks take eight seconds of that clock."""
    with RunningSandbox(Settings(task_delay=8), clock=lambda: now[0]) as sandbox:
        yield sandbox


def _submit(sandbox, prompt="a fox", **more):
    (task,) = buy(sandbox, "flux-kontext-max", prompt=prompt, **more).json()["output"]
    return task["taskId"]


def _status(sandbox, task_id):
    return poll(sandbox, task_id).json()["status"]


def test_a_task_runs_to_its_picture(slow, now):
    """Pending, Reasoning, Generating, Ready; and the picture is as asked for."""
    task_id = _submit(slow, aspect_ratio="2:3", output_format="jpeg")
    assert task_id.startswith("api.us1.bfl.")
    seen = []
    for _ in range(5):
        seen.append(_status(slow, task_id))
        now[0] += 2
    assert seen == ["Pending", "Reasoning", "Generating", "Generating", "Ready"]
    reply = httpx.get(poll(slow, task_id).json()["result"]["sample"])
    assert reply.headers["content-type"] == "image/jpeg"
    assert slow.stats().images == 1


def test_each_poll_signs_a_new_link_to_the_same_picture(sandbox):
    """A link that expired is replaced by asking again."""
    task_id = _submit(sandbox, "[[sandbox:task-delay=0]]")
    first, second = (poll(sandbox, task_id).json()["result"]["sample"] for _ in range(2))
    assert first != second
    assert httpx.get(first).content == httpx.get(second).content


@pytest.mark.parametrize(
    ("drill", "status", "billed"),
    [
        ("moderated", "Request Moderated", 0),
        ("moderated-output", "Content Moderated", 0),
        ("task-error", "Error", 0),
        ("task-stuck", "Pending", 1),
        ("task-lost", "Task not found", 1),
    ],
)
def test_every_other_end(sandbox, drill, status, billed):
    """A drilled task ends as told; what BFL does not charge is not billed."""
    task_id = _submit(sandbox, f"[[sandbox:{drill}]] [[sandbox:task-delay=0]]")
    answer = poll(sandbox, task_id).json()
    assert (answer["status"], answer["result"]) == (status, None)
    assert sandbox.stats().images == billed


def test_a_task_is_late(sandbox):
    """`Task not found` under status 200 for the first polls only."""
    task_id = _submit(sandbox, "[[sandbox:task-late=2]] [[sandbox:task-delay=0]]")
    assert [_status(sandbox, task_id) for _ in range(3)] == ["Task not found", "Task not found", "Ready"]


def test_unknown_and_gone_tasks_are_404(sandbox):
    """An id that never was, and one that the drill lost."""
    assert poll(sandbox, "api.us1.bfl.none").status_code == 404
    assert poll(sandbox, _submit(sandbox, "[[sandbox:task-gone]]")).status_code == 404


def test_a_held_task_waits_for_its_release(sandbox):
    """Generating for as long as it is held, then Ready."""
    task_id = _submit(sandbox, "[[sandbox:task-hold]] [[sandbox:task-delay=0]]")
    assert _status(sandbox, task_id) == "Generating"
    sandbox.release()
    assert _status(sandbox, task_id) == "Ready"


def test_an_id_may_need_encoding(sandbox):
    """The odd id is found only when it comes percent-encoded."""
    task_id = _submit(sandbox, "[[sandbox:task-odd-id]] [[sandbox:task-delay=0]]")
    assert _status(sandbox, quote(task_id, safe="")) == "Ready"
    assert poll(sandbox, quote(task_id, safe="%/")).status_code == 404


@pytest.mark.parametrize(("drill", "status"), [("poll-500", 500), ("poll-429", 429)])
def test_polls_fail_as_often_as_drilled(sandbox, drill, status):
    """Twice the failure, then the state."""
    task_id = _submit(sandbox, f"[[sandbox:{drill}=2]] [[sandbox:task-delay=0]]")
    assert [poll(sandbox, task_id).status_code for _ in range(3)] == [status, status, 200]


def test_polls_are_reset_or_garbled(sandbox):
    """A reset, then HTML, then the state."""
    task_id = _submit(sandbox, "[[sandbox:poll-reset]] [[sandbox:poll-garbage]] [[sandbox:task-delay=0]]")
    with pytest.raises(httpx.ReadError):
        poll(sandbox, task_id)
    assert poll(sandbox, task_id).text == "<html>"
    assert _status(sandbox, task_id) == "Ready"


def test_other_forms_of_the_result(sandbox):
    """`result.samples` and `output` in place of `result.sample`."""
    samples = poll(sandbox, _submit(sandbox, "[[sandbox:task-samples]] [[sandbox:task-delay=0]]")).json()
    assert httpx.get(samples["result"]["samples"][0]).status_code == 200
    output = poll(sandbox, _submit(sandbox, "[[sandbox:task-output]] [[sandbox:task-delay=0]]")).json()
    assert httpx.get(output["output"][0]["url"]).status_code == 200


def test_the_polling_url_is_a_trap(sandbox):
    """Whoever calls it is refused and recorded."""
    (task,) = buy(sandbox, "flux-kontext-pro").json()["output"]
    assert not task["polling_url"].startswith((sandbox.base_url, sandbox.tasks_url))
    assert httpx.get(task["polling_url"], headers=KEY).status_code == 403
    assert sandbox.stats().polling_url_calls == 1
    assert sandbox.calls[-1].origin == "polling"

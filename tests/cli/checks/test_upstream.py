"""Aihubmix is asked, and nothing is bought."""

import contextlib
import socket

import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from tests.support.serving import serving


def addresses(sandbox):
    return {"AIHUBMIX_BASE_URL": sandbox.base_url, "AIHUBMIX_TASKS_URL": sandbox.tasks_url}


def test_both_addresses_are_asked_with_the_key(found, sandbox):
    """For the list of models, and for a task that never was."""
    assert found()("ok", "upstream").splitlines() == [
        f"{sandbox.base_url} answers",
        f"{sandbox.tasks_url} answers, and does not refuse the key",
    ]
    assert [(call.method, call.path, call.billable) for call in sandbox.calls] == [
        ("GET", "/v1/models", False),
        ("GET", "/v1/tasks/gateway-check", False),
    ]


def test_a_key_that_is_refused_is_a_problem_that_names_the_setting(found):
    """The list of models is for everybody, so that a poll has to tell."""
    with RunningSandbox(Settings(api_key="sk-right")) as sandbox:
        told = found(1, AIHUBMIX_API_KEY="sk-wrong", **addresses(sandbox))
    assert told("problem", "upstream").endswith("refuses the key (HTTP 401): check AIHUBMIX_API_KEY")
    assert "sk-wrong" not in str(told.lines)


def test_an_address_that_cannot_be_reached_is_a_problem(found):
    """It names the variable, and why."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as bound:
        away = f"http://127.0.0.1:{bound.getsockname()[1]}"
    told = found(1, AIHUBMIX_TASKS_URL=away)
    assert told("problem", "upstream").startswith(
        f"{away} cannot be reached (connect_refused): check AIHUBMIX_TASKS_URL"
    )


def test_an_address_that_is_something_else_is_a_warning(found, sandbox):
    """It answers, but not with a list of models."""
    told = found(AIHUBMIX_BASE_URL=sandbox.tasks_url)
    assert "HTTP 404 without a list of models: is AIHUBMIX_BASE_URL right?" in told("warning", "upstream")


@pytest.fixture
def answering():
    """Give a function that serves one answer to whatever is asked, and tells where."""
    with contextlib.ExitStack() as stack:

        def serve(status, content_type, body):
            async def answer(_scope, _receive, send):
                headers = [(b"content-type", content_type.encode()), (b"location", b"https://elsewhere.example/")]
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body.encode()})

            return stack.enter_context(serving(lambda: answer))

        yield serve


@pytest.mark.parametrize("status", [200, 404])
def test_a_task_that_is_not_known_is_what_is_expected(found, answering, status):
    """Whichever status Aihubmix tells it with."""
    url = answering(status, "application/json", '{"id":"gateway-check","status":"Task not found","result":null}')
    assert f"{url} answers, and does not refuse the key" in found(AIHUBMIX_TASKS_URL=url)("ok", "upstream")


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (404, "text/html", "<html>Not Found</html>"),
        (302, "text/html", ""),
        (400, "text/html", "<html>Bad Request</html>"),
        (200, "text/html", "<html>Welcome</html>"),
        (200, "application/json", '{"status":"ok"}'),
    ],
)
def test_an_address_that_knows_no_tasks_is_a_problem(found, answering, status, content_type, body):
    """What is paid for as a task could not be collected there; status and expectation are told."""
    url = answering(status, content_type, body)
    told = found(1, AIHUBMIX_TASKS_URL=url)("problem", "upstream")
    assert told.startswith(f"{url}/v1/tasks/gateway-check answered HTTP {status}, not as one does that knows tasks")
    assert '"Task not found": is AIHUBMIX_TASKS_URL right?' in told


def test_a_refusal_in_json_is_a_warning(found, sandbox):
    """As the other address of Aihubmix gives it; how an unknown task is worded has not been seen."""
    told = found(AIHUBMIX_TASKS_URL=sandbox.base_url)("warning", "upstream")
    assert "/v1/tasks/gateway-check answered HTTP 404, not as one does that knows tasks" in told


@pytest.mark.parametrize(
    ("status", "advice"), [(429, "asked too often"), (500, "see Aihubmix's status"), (503, "see Aihubmix's status")]
)
def test_an_address_that_cannot_tell_now_is_a_warning(found, answering, status, advice):
    """Another check may find it well."""
    url = answering(status, "application/json", '{"error":{"message":"busy"}}')
    told = found(AIHUBMIX_TASKS_URL=url)("warning", "upstream")
    assert f"answered HTTP {status}: " in told
    assert advice in told


@pytest.mark.parametrize(
    ("status", "body"), [(402, ""), (403, '{"error":{"message":"x","code":"insufficient_user_quota"}}')]
)
def test_an_account_without_balance_is_a_problem(found, answering, status, body):
    """The key is not to blame."""
    url = answering(status, "application/json", body)
    told = found(1, AIHUBMIX_TASKS_URL=url)("problem", "upstream")
    assert told == f"{url} says that the account has no balance left (HTTP {status}): top it up at Aihubmix"


def test_a_key_that_no_header_can_carry_is_a_problem(found):
    told = found(1, AIHUBMIX_API_KEY="sk-ключ")
    assert "not ASCII" in told("problem", "upstream")
    assert "ключ" not in str(told.lines)

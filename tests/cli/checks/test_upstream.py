"""Aihubmix is asked, and nothing is bought."""

import contextlib
import socket

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings


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


def test_a_key_that_no_header_can_carry_is_a_problem(found):
    told = found(1, AIHUBMIX_API_KEY="sk-ключ")
    assert "not ASCII" in told("problem", "upstream")
    assert "ключ" not in str(told.lines)

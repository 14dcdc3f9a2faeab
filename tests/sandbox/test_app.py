"""Two addresses, one key, and nothing but the documented routes."""

import httpx
import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from tests.support.sandbox_calls import KEY, buy


def test_tasks_are_not_polled_at_the_api(sandbox):
    """The API address has no tasks."""
    (task,) = buy(sandbox, "flux-kontext-max").json()["output"]
    assert httpx.get(f"{sandbox.base_url}/v1/tasks/{task['taskId']}", headers=KEY).status_code == 404
    assert httpx.get(f"{sandbox.tasks_url}/v1/tasks/{task['taskId']}", headers=KEY).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models/ideogram/V3/predictions", "/v1/images/generations"])
def test_nothing_is_sold_at_the_tasks_address(sandbox, path):
    """Predictions there are a 404 and cost nothing."""
    body = {"input": {"prompt": "a fox"}}
    assert httpx.post(sandbox.tasks_url + path, json=body, headers=KEY).status_code == 404
    assert sandbox.stats().paid_calls == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/models/ideogram/V3/predictions"), ("POST", "/v1/models"), ("POST", "/v1/images/edits"), ("GET", "/")],
)
def test_other_routes_do_not_exist(sandbox, method, path):
    """Anything undocumented is a 404 in Aihubmix's envelope."""
    reply = httpx.request(method, sandbox.base_url + path, headers=KEY)
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "not_found"
    assert reply.headers["x-request-id"] in reply.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sk-wrong"}, KEY])
def test_the_list_of_models_is_for_everybody(headers):
    """As at Aihubmix: it proves nothing about a key, and costs nothing."""
    with RunningSandbox(Settings(api_key="sk-sandbox-0000")) as sandbox:
        reply = httpx.get(f"{sandbox.base_url}/v1/models", headers=headers)
        assert reply.status_code == 200
        assert {"gpt-image-1", "flux-kontext-max"} < {model["id"] for model in reply.json()["data"]}
        assert [call.billable for call in sandbox.calls] == [False]


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer sk-", "Bearer gw-1", "Basic sk-1", "sk-1"])
def test_a_call_needs_a_key(sandbox, authorization):
    """Without `Bearer sk-...` every paid call and poll is a 401."""
    headers = {"authorization": authorization} if authorization else {}
    body = {"input": {"prompt": "a fox"}}
    url = f"{sandbox.base_url}/v1/models/ideogram/V3/predictions"
    assert httpx.post(url, json=body, headers=headers).status_code == 401
    assert httpx.get(f"{sandbox.tasks_url}/v1/tasks/x", headers=headers).status_code == 401
    assert sandbox.stats().paid_calls == 0


def test_a_set_key_is_the_only_one():
    """With a key of its own the sandbox takes no other."""
    with RunningSandbox(Settings(api_key="sk-right")) as sandbox:
        assert buy(sandbox, "V3").status_code == 401
        body = {"input": {"prompt": "a fox"}}
        url = f"{sandbox.base_url}/v1/models/ideogram/V3/predictions"
        assert httpx.post(url, json=body, headers={"authorization": "Bearer sk-right"}).status_code == 200


def test_a_reset_forgets_everything(sandbox):
    """Calls, totals, drills, tasks and links are gone."""
    url = buy(sandbox, "V3").json()["output"][0]["url"]
    sandbox.drill("V3", "http-503")
    sandbox.reset()
    assert sandbox.calls == []
    assert sandbox.stats().images == 0
    assert buy(sandbox, "V3").status_code == 200
    assert httpx.get(url).status_code == 403

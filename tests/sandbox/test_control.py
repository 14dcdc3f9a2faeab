"""The sandbox's own endpoints."""

import httpx
import pytest

from tests.support.sandbox_calls import KEY, buy


def _control(sandbox, method, name, **more):
    return httpx.request(method, f"{sandbox.base_url}/_sandbox/{name}", **more)


def test_calls_and_stats_are_served(sandbox):
    """The record as JSON, and not of the control calls themselves."""
    buy(sandbox, "irag-1.0", n=2)
    buy(sandbox, "irag-1.0", n=9)
    first, second = _control(sandbox, "GET", "calls").json()
    assert (first["model"], first["status"], first["billed_images"], first["billable"]) == ("irag-1.0", 200, 2, True)
    assert (first["origin"], first["method"], first["key"]) == ("api", "POST", KEY["authorization"][-4:])
    assert (second["status"], second["billed_images"]) == (400, 0)
    assert second["error"].startswith("n must be")
    assert _control(sandbox, "GET", "stats").json()["models"] == {"irag-1.0": {"calls": 1, "images": 2}}


def test_calls_are_deleted(sandbox):
    """DELETE empties record and totals."""
    buy(sandbox, "V3")
    assert _control(sandbox, "DELETE", "calls").status_code == 200
    assert _control(sandbox, "GET", "calls").json() == []
    assert _control(sandbox, "GET", "stats").json()["images"] == 0


def test_drills_are_armed_listed_and_deleted(sandbox):
    """POST arms, GET lists, DELETE disarms."""
    armed = _control(sandbox, "POST", "drills", json={"model": "V3", "drill": "slow=2", "times": 3}).json()
    assert armed == {"armed": {"V3 slow=2": 3}}
    listed = _control(sandbox, "GET", "drills").json()
    assert listed["armed"] == armed["armed"]
    assert "moderated" in listed["known"]
    _control(sandbox, "DELETE", "drills")
    assert _control(sandbox, "GET", "drills").json()["armed"] == {}


@pytest.mark.parametrize(
    "order", [{"model": "V9", "drill": "slow"}, {"model": "V3", "drill": "fast"}, {"model": "V3"}, {"x": 1}, []]
)
def test_a_wrong_order_is_refused(sandbox, order):
    """400 with the reason."""
    assert _control(sandbox, "POST", "drills", json=order).status_code == 400


def test_release_and_reset_are_served(sandbox):
    """Both answer 200; a reset forgets the record."""
    buy(sandbox, "V3")
    assert _control(sandbox, "POST", "release").status_code == 200
    assert _control(sandbox, "POST", "reset").status_code == 200
    assert sandbox.calls == []


def test_other_control_routes_do_not_exist(sandbox):
    """404."""
    assert _control(sandbox, "GET", "nothing").status_code == 404

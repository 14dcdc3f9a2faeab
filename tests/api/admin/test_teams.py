import pytest

from tests.support.admin import NOW
from tests.support.gateway import envelope, message

LIMITS = {"requests_per_minute": 60, "images_per_day": 0, "budget_usd_per_month": 12.5, "max_concurrent": 4}
UNLIMITED = dict.fromkeys(LIMITS)


def test_put_sets_exactly_the_limits_of_its_body(admin):
    """It makes the team if need be; what the body leaves out is lifted, so that the same body makes the same team."""
    first = admin.put("/admin/teams/art", json=LIMITS)
    assert (first.status_code, first.json()) == (200, {"team": "art", "created": NOW, **LIMITS})
    assert admin.put("/admin/teams/art", json=LIMITS).json() == first.json()
    second = admin.put("/admin/teams/art", json={"max_concurrent": 2, "images_per_day": None}).json()
    assert second == {"team": "art", "created": NOW, **UNLIMITED, "max_concurrent": 2}
    assert admin.get("/admin/teams/art").json() == second


def test_teams_are_listed_by_name(admin):
    """Those that were set, and those that have a key."""
    assert admin.get("/admin/teams").json() == {"data": []}
    admin.post("/admin/keys", json={"team": "zoo"})
    admin.put("/admin/teams/art", json={})
    listed = admin.get("/admin/teams").json()["data"]
    assert [(team["team"], team["images_per_day"]) for team in listed] == [("art", None), ("zoo", None)]


def test_an_unknown_team_is_a_404(admin):
    """It is made by PUT alone."""
    assert envelope(admin.get("/admin/teams/zoo")) == (404, "invalid_request_error", "not_found", "team")


@pytest.mark.parametrize(
    ("team", "fields", "code", "param", "said"),
    [
        ("Art", {}, "invalid_value", "team", "'Art' is not a team name"),
        ("a%7Db", {}, "invalid_value", "team", "is not a team name"),
        ("art", {"images": 1}, "unknown_parameter", "images", "There is no field 'images' here; there are: requests_"),
        ("art", {"images_per_day": -1}, "invalid_value", "images_per_day", "images_per_day = -1: expected a whole"),
        ("art", {"images_per_day": True}, "invalid_type", "images_per_day", "images_per_day = True: expected a whole"),
        ("art", {"budget_usd_per_month": 1e9}, "invalid_value", "budget_usd_per_month", "dollars from 0 to 10000000"),
    ],
)
def test_what_is_wrong_is_named(team, fields, code, param, said, *, admin):
    """And no team is made."""
    response = admin.put(f"/admin/teams/{team}", json={"max_concurrent": 1} | fields)
    assert envelope(response) == (400, "invalid_request_error", code, param)
    assert said in message(response)
    assert admin.get("/admin/teams").json() == {"data": []}


@pytest.mark.parametrize(
    ("body", "param"), [(b"", None), (b" ", None), (b'{"max_concurrent":1,"max_concurrent":null}', "max_concurrent")]
)
def test_a_body_that_is_forgotten_or_ambiguous_lifts_nothing(body, param, *, admin):
    """A 400; `{}` is what lifts all."""
    before = admin.put("/admin/teams/art", json=LIMITS).json()
    reply = admin.put("/admin/teams/art", content=body)
    assert envelope(reply) == (400, "invalid_request_error", "invalid_json", param)
    assert admin.get("/admin/teams/art").json() == before
    assert admin.put("/admin/teams/art", json={}).status_code == 200

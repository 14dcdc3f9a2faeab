import json

import pytest

from tests.support.admin import NOW, admin_app, client
from tests.support.gateway import envelope, message
from tests.support.serving import serving

LIMITS = {"requests_per_minute": 60, "images_per_day": 0, "budget_usd_per_month": 12.5, "max_concurrent": 4}
UNLIMITED = dict.fromkeys(LIMITS)


def made(admin, **fields):
    response = admin.post("/admin/keys", json={"team": "art"} | fields)
    assert response.status_code == 201, response.text
    return response.json()


def test_a_key_is_made_and_its_secret_shown_once(admin):
    """By creation alone; models are named as the catalogue names them."""
    expires = NOW + 900
    told = made(
        admin, name="ci", models=["imagen-4.0-generate-001", "v3", "V3"], expires=expires, no_cache=True,
        cache_ttl_s=600, **LIMITS,
    )  # fmt: skip
    key = told.pop("key")
    assert key.startswith(f"sk-gw-{told['id']}-")
    assert told == {
        "id": told["id"], "team": "art", "name": "ci", "prefix": f"sk-gw-{told['id']}", "created": NOW, "expires": expires,
        "revoked": None, "replaced_by": None, "models": ["imagen-4.0-generate-001", "V3"], "no_cache": True,
        "cache_ttl_s": 600, "used": None, "state": "active", **LIMITS,
    }  # fmt: skip
    for path in ("/admin/keys", f"/admin/keys/{told['id']}"):
        assert key[20:] not in admin.get(path).text
    assert admin.get(f"/admin/keys/{told['id']}").json().items() >= told.items()


def test_null_is_what_a_new_key_has(admin):
    """As Terraform and others send it for what is not set."""
    told = made(admin, **dict.fromkeys(["name", "models", "expires", "no_cache", "cache_ttl_s", *LIMITS]))
    assert (
        made(admin).items()
        >= {name: told[name] for name in ("name", "models", "expires", "no_cache", "cache_ttl_s", *LIMITS)}.items()
    )
    assert (told["name"], told["models"], told["expires"], told["no_cache"]) == ("", [], None, False)
    assert told.items() >= UNLIMITED.items()


def test_money_is_decimal_to_the_micro_dollar(admin):
    """Nothing is rounded, neither on the way in nor out."""
    response = admin.post("/admin/keys", content=b'{"team": "art", "budget_usd_per_month": 9999999.999999}')
    assert b'"budget_usd_per_month":9999999.999999,' in response.content


def test_keys_are_listed_of_a_team_or_of_all(admin):
    """Without secrets."""
    art, zoo = made(admin), made(admin, team="zoo")
    assert [key["id"] for key in admin.get("/admin/keys").json()["data"]] == [art["id"], zoo["id"]]
    listed = admin.get("/admin/keys", params={"team": "zoo"}).json()["data"]
    assert [key["id"] for key in listed] == [zoo["id"]]
    assert "key" not in listed[0]


def test_patch_changes_what_is_given_and_nothing_else(admin):
    """Null takes it back to what a new key has."""
    first = made(admin, name="ci", models=["V3"], no_cache=True, **LIMITS)
    first.pop("key")
    path = f"/admin/keys/{first['id']}"
    second = admin.patch(path, json={"images_per_day": 7, "budget_usd_per_month": None}).json()
    assert second == first | {"images_per_day": 7, "budget_usd_per_month": None}
    expires = NOW + 900
    third = admin.patch(path, json={"name": None, "models": None, "no_cache": False, "expires": expires}).json()
    assert third == second | {"name": "", "models": [], "no_cache": False, "expires": expires}
    assert admin.patch(path, json={}).json() == third == admin.get(path).json()


def test_delete_revokes(admin):
    """And again keeps the first time; the key is still listed."""
    key_id = made(admin)["id"]
    response = admin.delete(f"/admin/keys/{key_id}")
    assert (response.status_code, response.json()["state"]) == (200, "revoked")
    assert admin.delete(f"/admin/keys/{key_id}").json() == response.json()
    assert [key["state"] for key in admin.get("/admin/keys").json()["data"]] == ["revoked"]
    refused = admin.patch(f"/admin/keys/{key_id}", json={"name": "n"})
    assert envelope(refused) == (400, "invalid_request_error", "invalid_value", "id")


def test_rotate_makes_a_new_key_of_the_same_rights(admin):
    """The old one counts for the grace, or without one is revoked."""
    first = made(admin, name="ci", **LIMITS)
    response = admin.post(f"/admin/keys/{first['id']}/rotate", json={"grace_s": 3600})
    second = response.json()
    assert response.status_code == 201
    assert second["key"].startswith(f"sk-gw-{second['id']}-")
    assert (second["name"], {name: second[name] for name in LIMITS}) == ("ci", LIMITS)
    old = admin.get(f"/admin/keys/{first['id']}").json()
    assert (old["state"], old["replaced_by"], old["expires"]) == ("active", second["id"], second["created"] + 3600)
    third = admin.post(f"/admin/keys/{second['id']}/rotate").json()
    assert admin.get(f"/admin/keys/{second['id']}").json()["state"] == "revoked"
    assert third["id"] not in {first["id"], second["id"]}


@pytest.mark.parametrize(
    ("fields", "code", "param", "said"),
    [
        ({}, "missing_required_parameter", "team", "'team' is missing"),
        ({"team": None}, "missing_required_parameter", "team", "'team' is missing"),
        ({"team": "Art"}, "invalid_value", "team", "'Art' is not a team name"),
        ({"team": 1}, "invalid_type", "team", "team: expected a text"),
        (
            {"team": "art", "key": "x"},
            "unknown_parameter",
            "key",
            "There is no field 'key' here; there are: team, name",
        ),
        ({"team": "art", "name": 1}, "invalid_type", "name", "name: expected a text"),
        ({"team": "art", "name": "n" * 65}, "invalid_value", "name", "at most 64"),
        ({"team": "art", "models": "V3"}, "invalid_type", "models", "models: expected a list of model names"),
        ({"team": "art", "models": [1]}, "invalid_type", "models", "models: expected a list of model names"),
        ({"team": "art", "models": []}, "invalid_value", "models", "models is empty: name some, or leave it out"),
        ({"team": "art", "models": ["V9"]}, "invalid_value", "models", "The model 'V9' does not exist"),
        (
            {"team": "art", "expires": "90d"},
            "invalid_type",
            "expires",
            "expires: expected a time in whole unix seconds",
        ),
        ({"team": "art", "expires": True}, "invalid_type", "expires", "expires: expected a time in whole unix seconds"),
        ({"team": "art", "expires": 1}, "invalid_value", "expires", "A key cannot expire after -"),
        ({"team": "art", "no_cache": 1}, "invalid_type", "no_cache", "no_cache: expected true or false"),
        ({"team": "art", "cache_ttl_s": 1.5}, "invalid_type", "cache_ttl_s", "cache_ttl_s: expected whole seconds"),
        ({"team": "art", "cache_ttl_s": -1}, "invalid_value", "cache_ttl_s", "cannot be replayed for -1 seconds"),
        ({"team": "art", "images_per_day": "5"}, "invalid_type", "images_per_day", "images_per_day = 5: expected"),
        ({"team": "art", "max_concurrent": 0}, "invalid_value", "max_concurrent", "expected a whole number from 1"),
        ({"team": "art", "budget_usd_per_month": "12.50"}, "invalid_type", "budget_usd_per_month", "expected dollars"),
        ({"team": "art", "budget_usd_per_month": 0.1234567}, "invalid_value", "budget_usd_per_month", "6 decimals"),
    ],
)
def test_a_wrong_field_is_named(admin, fields, code, param, said):
    """And nothing is made."""
    response = admin.post("/admin/keys", json=fields)
    assert envelope(response) == (400, "invalid_request_error", code, param)
    assert said in message(response)
    assert admin.get("/admin/keys").json() == {"data": []}


@pytest.mark.parametrize("body", [b"{", b"[]", b'"art"', b"\xff", b'{"team": "\xff"}', b"[" * 100_000])
def test_a_body_that_is_no_object_is_told(admin, body):
    """As a fault of the body, not of a field."""
    response = admin.post("/admin/keys", content=body)
    assert envelope(response) == (400, "invalid_request_error", "invalid_json", None)


def test_a_wrong_change_changes_nothing(admin):
    """Not even its right parts."""
    first = made(admin)
    for fields, param in (
        ({"name": "n", "team": "zoo"}, "team"),
        ({"name": "n", "max_concurrent": 0}, "max_concurrent"),
    ):
        response = admin.patch(f"/admin/keys/{first['id']}", json=fields)
        assert envelope(response)[::3] == (400, param)
    assert admin.get(f"/admin/keys/{first['id']}").json()["name"] == ""


@pytest.mark.parametrize("grace", [-1, 10**12, 1.5, "1h"])
def test_a_wrong_grace_replaces_nothing(admin, grace):
    """It is named."""
    first = made(admin)
    response = admin.post(f"/admin/keys/{first['id']}/rotate", json={"grace_s": grace})
    assert envelope(response)[::3] == (400, "grace_s")
    assert len(admin.get("/admin/keys").json()["data"]) == 1


@pytest.mark.parametrize("key_id", ["abcdef012345", "x", "a%20b", "%7Bt%7D:keys"])
def test_an_unknown_id_is_a_404(admin, key_id):
    """On every route that takes one."""
    path = f"/admin/keys/{key_id}"
    for response in (admin.get(path), admin.patch(path, json={}), admin.delete(path), admin.post(f"{path}/rotate")):
        assert envelope(response) == (404, "invalid_request_error", "not_found", "id")


def test_redis_away_is_a_503():
    """Nothing is made up."""
    with serving(lambda: admin_app("unix:///nowhere")) as url, client(url) as http:
        response = http.get("/admin/keys")
        assert envelope(response) == (503, "server_error", "redis_unavailable", None)
        assert response.headers["retry-after"] == "1"


def test_answers_are_json(admin):
    """For programs."""
    response = admin.get("/admin/keys")
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.content) == {"data": []}

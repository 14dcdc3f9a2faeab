import hmac

import pytest
from litestar import get

from gateway.api.sessions import LIFE_S, TOKEN_HEADER
from tests.support.admin import ADMIN_KEY, admin_app, client
from tests.support.gateway import envelope, message
from tests.support.serving import serving

ROUTES = [
    ("GET", "/admin/keys"),
    ("POST", "/admin/keys"),
    ("GET", "/admin/keys/abcdef012345"),
    ("PATCH", "/admin/keys/abcdef012345"),
    ("DELETE", "/admin/keys/abcdef012345"),
    ("POST", "/admin/keys/abcdef012345/rotate"),
    ("GET", "/admin/teams"),
    ("GET", "/admin/teams/art"),
    ("PUT", "/admin/teams/art"),
    ("GET", "/admin/other"),
]


@get("/other")
async def other() -> str:
    return "it is there"


def test_without_an_admin_key_there_is_no_admin(valkey_url):
    """Every route is a 404, whatever key is sent."""
    with serving(lambda: admin_app(valkey_url, "", [other])) as url, client(url, "") as http:
        for method, path in ROUTES:
            for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Bearer x"}):
                response = http.request(method, path, headers=headers)
                assert envelope(response) == (404, "invalid_request_error", "not_found", None)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, None),
        (b"Bearer", None),
        (b"Basic " + ADMIN_KEY.encode(), None),
        (b"Bearer wrong", "invalid_api_key"),
        (b"Bearer \xff", "invalid_api_key"),
        (b"Bearer " + ADMIN_KEY.encode()[:-1], "invalid_api_key"),
        (b"Bearer " + ADMIN_KEY.encode() + b"x", "invalid_api_key"),
    ],
)
def test_every_route_needs_the_admin_key(valkey_url, authorization, code):
    """Before anything else is looked at; the key is not repeated."""
    with serving(lambda: admin_app(valkey_url, others=[other])) as url, client(url, "") as http:
        for method, path in ROUTES:
            headers = {} if authorization is None else {"authorization": authorization}
            response = http.request(method, path, headers=headers, content=b"{")
            assert envelope(response) == (401, "invalid_request_error", code, None)
            assert "wrong" not in message(response)


def test_the_admin_key_opens_every_route(valkey_url):
    """Those of others too; the scheme's case does not matter, and no answer may be cached."""
    with serving(lambda: admin_app(valkey_url, others=[other])) as url, client(url) as http:
        assert http.get("/admin/other").text == "it is there"
        lower = http.get("/admin/keys", headers={"authorization": b"bearer  " + ADMIN_KEY.encode()})
        assert (lower.status_code, lower.json()) == (200, {"data": []})
        for method, path in ROUTES:
            assert http.request(method, path).status_code != 401
        assert lower.headers["cache-control"] == "no-store"


def test_a_query_says_nothing_that_is_not_known(valkey_url):
    """A misspelt `team` would else tell of all teams; the refusal names what there is, once the key is right."""
    with serving(lambda: admin_app(valkey_url, others=[other])) as url, client(url) as http:
        wrong = http.get("/admin/keys?teem=art")
        assert envelope(wrong) == (400, "invalid_request_error", "unknown_parameter", "teem")
        assert message(wrong) == "There is no query parameter 'teem' here; there are: team."
        assert message(http.get("/admin/teams/art?team=x")).endswith("'team' here; there is none.")
        assert envelope(http.get("/admin/keys?team=a&team=b")) == (
            400,
            "invalid_request_error",
            "invalid_value",
            "team",
        )
        assert http.get("/admin/keys?team=art").status_code == 200
    with serving(lambda: admin_app(valkey_url)) as url, client(url, "") as http:
        assert http.get("/admin/keys?teem=art").status_code == 401


def test_the_admin_key_is_compared_in_constant_time(valkey_url, monkeypatch):
    """A check goes through the constant-time comparison, of hashes, and heeds it."""
    seen = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *both: seen.append(both) or False)
    with serving(lambda: admin_app(valkey_url)) as url, client(url) as http:
        assert http.get("/admin/keys").status_code == 401
    assert [len(part) for part in seen[0]] == [32, 32]


def test_a_session_reads_without_more_ado(pages):
    pages.log_in()
    assert pages.http.get("/admin/keys").json() == {"data": []}


@pytest.mark.parametrize("token", [None, "", "wrong", "other session"])
def test_a_session_changes_nothing_without_its_token(pages, token):
    """For the cookie alone may have been sent by a page from elsewhere."""
    pages.log_in()
    if token == "other session":
        token = pages.token()
        pages.log_in()
    headers = {} if token is None else {TOKEN_HEADER: token}

    for method, path in ROUTES[:-1]:
        if method != "GET":
            answer = pages.http.request(method, path, headers=headers, content=b'{"team": "art"}')
            assert envelope(answer) == (403, "invalid_request_error", "csrf_token_missing", None), (method, path)
    assert pages.http.get("/admin/keys").json() == {"data": []}


def test_a_session_changes_things_with_its_token(pages):
    pages.log_in()
    made = pages.http.post("/admin/keys", headers={TOKEN_HEADER: pages.token()}, json={"team": "art"})
    assert made.status_code == 201
    assert [key["id"] for key in pages.http.get("/admin/keys").json()["data"]] == [made.json()["id"]]


def test_a_session_that_is_over_opens_nothing(pages):
    pages.log_in()
    pages.clock.now += LIFE_S
    assert envelope(pages.http.get("/admin/keys")) == (401, "invalid_request_error", None, None)


def test_a_wrong_key_is_not_made_good_by_a_session(pages):
    pages.log_in()
    answer = pages.http.get("/admin/keys", headers={"authorization": "Bearer wrong"})
    assert envelope(answer)[::2] == (401, "invalid_api_key")

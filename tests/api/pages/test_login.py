"""Logging in and out, as a browser does it."""

import pytest

from gateway.api.pages.assets import POLICY
from gateway.api.sessions import COOKIE, LIFE_S, TOKEN_HEADER
from tests.support.admin import ADMIN_KEY, NOW
from tests.support.gateway import envelope

PATHS = ["/dashboard", "/playground"]


def test_without_an_admin_key_there_are_no_pages(serving_pages):
    """Every path of theirs is a 404."""
    with serving_pages(admin_key="") as pages:
        for method, path in [*(("GET", path) for path in [*PATHS, "/login"]), ("POST", "/login"), ("POST", "/logout")]:
            assert envelope(pages.http.request(method, path)) == (404, "invalid_request_error", "not_found", None)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_asks_who_is_there_first(pages, path):
    """It leads to the log-in, which leads back."""
    asked = pages.http.get(path)

    assert (303, f"/login?next={path}") == (asked.status_code, asked.headers["location"])
    assert f'name="next" value="{path}"' in pages.http.get(asked.headers["location"]).text

    entered = pages.log_in(next=path)

    assert (303, path) == (entered.status_code, entered.headers["location"])
    assert pages.http.get(path).status_code == 200


@pytest.mark.parametrize("place", ["https://example.com/", "//example.com", "/dashboard/../admin", "", "/v1/models"])
def test_the_log_in_leads_to_our_own_pages_only(pages, place):
    assert "/dashboard" == pages.log_in(next=place).headers["location"]


def test_the_cookie_is_for_this_site_and_no_script(pages):
    cookie = pages.log_in().headers["set-cookie"]

    for attribute in ("HttpOnly", "SameSite=strict", f"Max-Age={LIFE_S}", "Path=/"):
        assert attribute.lower() in cookie.lower()
    assert "secure" not in cookie.lower()


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({"trusted": ["127.0.0.1"]}, {"x-forwarded-proto": "https"}),
        ({"public_url": "https://gateway.example"}, {"host": "gateway.example"}),
    ],
    ids=["forwarded", "configured"],
)
def test_the_cookie_never_leaves_https_where_it_came_by_https(serving_pages, settings, headers):
    with serving_pages(**settings) as pages:
        pages.http.headers.update(headers)
        assert "; secure" in pages.log_in().headers["set-cookie"].lower()


def test_a_wrong_key_opens_nothing(pages):
    """And is not repeated, nor is any cookie set."""
    refused = pages.log_in("<b>wrong</b>")

    assert 401 == refused.status_code
    assert "That is not the admin key" in refused.text
    assert "wrong</b>" not in refused.text
    assert "set-cookie" not in refused.headers
    for path in PATHS:
        assert pages.http.get(path).status_code == 303


def test_wrong_keys_are_counted(pages):
    """After ten of them even the right one has to wait, and the page says for how long."""
    assert [401] * 10 == [pages.log_in(f"guess {number}").status_code for number in range(10)]

    held_back = pages.log_in()

    assert (429, "6") == (held_back.status_code, held_back.headers["retry-after"])
    assert "Try again in 6 s" in held_back.text
    pages.clock.now += 6
    assert pages.log_in().status_code == 303


def test_right_keys_are_not_counted(pages):
    assert {303} == {pages.log_in().status_code for _ in range(15)}


def test_a_session_ends_after_twelve_hours(pages):
    pages.log_in()
    pages.clock.now = NOW + LIFE_S - 1
    assert pages.http.get("/dashboard").status_code == 200
    pages.clock.now = NOW + LIFE_S
    assert pages.http.get("/dashboard").status_code == 303


def test_logging_out_takes_the_cookie_back(pages):
    """And a copy of it is worth nothing."""
    pages.log_in()
    copied = pages.cookie()

    left = pages.http.post("/logout", headers={TOKEN_HEADER: pages.token()})

    assert 204 == left.status_code
    assert pages.cookie() in {None, ""}
    assert pages.http.get("/dashboard").status_code == 303
    assert pages.http.get("/dashboard", headers={"cookie": f"{COOKIE}={copied}"}).status_code == 303
    assert pages.http.get("/admin/keys", headers={"cookie": f"{COOKIE}={copied}"}).status_code == 401
    assert pages.http.post("/logout").status_code == 204  # who is not logged in may do so again


def test_no_other_page_can_log_one_out(pages):
    pages.log_in()
    assert envelope(pages.http.post("/logout"))[::2] == (403, "csrf_token_missing")
    assert pages.http.get("/dashboard").status_code == 200


def test_pages_are_kept_by_no_cache_and_load_nothing_from_elsewhere(pages):
    """The log-in, what it refuses, and both pages."""
    answers = [pages.http.get("/login"), pages.log_in("wrong")]
    pages.log_in()
    answers += [pages.http.get(path) for path in PATHS]

    for answer in answers:
        assert "text/html; charset=utf-8" == answer.headers["content-type"]
        assert POLICY == answer.headers["content-security-policy"]
        assert ("no-store", "no-referrer") == (answer.headers["cache-control"], answer.headers["referrer-policy"])
    assert "'unsafe" not in POLICY


def test_a_log_in_is_a_small_form(pages):
    """Larger bodies, and bytes that are no text, are refused and not read on."""
    assert pages.http.post("/login", content=b"key=" + b"x" * 20_000).status_code == 413
    assert pages.http.post("/login", content=b"key=\xff%ff").status_code == 401
    assert pages.http.post("/login", content=b"&".join([b"key=1"] * 20)).status_code == 401
    assert pages.http.post("/login", content=b"").status_code == 401


def test_a_made_up_cookie_is_no_session(pages):
    pages.log_in()
    name, expires, signature = pages.cookie().split(".")
    made_up = [
        "",
        "x",
        "..",
        f"{name}.{expires}.",
        f"{name}.{int(expires) + 1}.{signature}",
        f"{name}x.{expires}.{signature}",
    ]
    for value in [*made_up, f"{name}.\u0661.x".encode().decode("latin-1")]:
        answer = pages.http.get("/dashboard", headers={"cookie": f"{COOKIE}={value}".encode("latin-1")})
        assert answer.status_code == 303, value


def test_spaces_around_the_key_do_not_matter(pages):
    """They come along when it is copied."""
    assert pages.log_in(f" {ADMIN_KEY}\n").status_code == 303

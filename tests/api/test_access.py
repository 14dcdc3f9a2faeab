"""The wrapper around everything."""

import re
import socket

import pytest

from tests.support.gateway import envelope

PATHS = ["/", "/nothing", "/v1", "/v1/chat/completions", "/v1/images/edits", "/%2e%2e/etc/passwd", "/v1/images/files/x"]


@pytest.mark.parametrize("path", PATHS)
def test_every_reply_has_an_id_and_an_envelope(gateway, path):
    """Paths that lead nowhere answer in OpenAI's envelope, with a request id of their own."""
    with gateway.http() as http:
        first, second = http.get(path), http.get(path)

    assert (404, "invalid_request_error") == envelope(first)[:2]
    assert re.fullmatch(r"req_[0-9a-f]{32}", first.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_wrong_method(gateway):
    """A known path with a wrong method is a 405 that names the right ones."""
    with gateway.http() as http:
        answer = http.get("/v1/images/generations")

    assert envelope(answer) == (405, "invalid_request_error", "method_not_allowed", None)
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/v1/models/V3", "/docs", "/v1/models/none", "/nothing"])
def test_head_is_get_without_a_body(gateway, key, path):
    """Same status, same length and type; a monitor that asks so costs no body."""
    with gateway.http(key) as http:
        told, shown = http.head(path), http.get(path)

    assert (shown.status_code, b"") == (told.status_code, told.content)
    assert len(shown.content) == int(told.headers["content-length"])
    assert shown.headers["content-type"] == told.headers["content-type"]
    assert told.headers["x-request-id"].startswith("req_")


def test_head_is_counted_under_its_route_and_named_where_it_is_allowed(gateway):
    """Where there is no GET there is no HEAD, and a 405 says where there is one."""
    with gateway.http() as http:
        http.head("/healthz")
        none, other = http.head("/v1/images/generations"), http.post("/healthz")
        text = http.get("/metrics").text

    assert (405, "POST, OPTIONS") == (none.status_code, none.headers["allow"])
    assert {"GET", "HEAD", "OPTIONS"} == set(other.headers["allow"].split(", "))
    assert 'outcome="ok",route="/healthz",status="200",team=""} 1.0' in text


@pytest.mark.parametrize("path", ["//v1/models", "/v1//models/", "/v1/models/?api-version=2024", "///v1/models"])
def test_untidy_paths(gateway, key, path):
    """Doubled and trailing slashes and unknown query parameters are what clients send; they work."""
    with gateway.http(key) as http:
        assert 200 == http.get(f"{gateway.url}{path}").status_code


def test_preflight_reflects_what_browsers_ask(gateway):
    """A browser SDK's preflight passes with every header that it wants to send."""
    asked = "authorization, content-type, x-stainless-os, x-stainless-retry-count, x-anything"
    with gateway.http() as http:
        answer = http.options(
            "/v1/images/generations",
            headers={
                "origin": "https://app.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": asked,
            },
        )

    assert 204 == answer.status_code
    assert "*" == answer.headers["access-control-allow-origin"]
    assert asked == answer.headers["access-control-allow-headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_cors_on_errors(gateway):
    """Errors, too, can be read by a browser, with the headers that steer its retries."""
    with gateway.http() as http:
        answer = http.post("/v1/images/generations", headers={"origin": "https://app.example"})

    assert 401 == answer.status_code
    assert "*" == answer.headers["access-control-allow-origin"]
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    assert "x-should-retry" in answer.headers["access-control-expose-headers"]


def test_a_client_that_sends_rubbish_harms_nobody(gateway, key):
    """Bytes that are no HTTP end that connection, and the next request is served."""
    for rubbish in (b"\x00\x01\x02\r\n\r\n", b"POST /v1/images/generations HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf"):
        with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as raw:
            raw.sendall(rubbish)
    with gateway.http(key) as http:
        assert 200 == http.get("/v1/models").status_code


def test_an_upload_that_breaks_off_is_no_fault_of_ours(gateway, key, sandbox):
    """A client that leaves in the middle of its body counts as having left, not as a 500."""
    head = (
        f"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: 200\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as raw:
        raw.sendall(head.encode() + b'{"prompt"')
    with gateway.http() as http:
        sandbox.wait_for(lambda: 'route="/v1/images/generations"' in http.get("/metrics").text)
        text = http.get("/metrics").text

    assert 'outcome="client_left",route="/v1/images/generations",status="499",team="art"} 1.0' in text

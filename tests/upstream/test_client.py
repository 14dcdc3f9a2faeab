import gzip

import httpx
import pytest

from gateway import __version__
from gateway.upstream.client import Upstream
from gateway.upstream.failures import CallFailed, Verdict
from gateway.upstream.transport import AiohttpTransport
from tests.support import misbehaving as m


def upstream_with(transport, base_url="https://api.invalid", tasks_url="https://tasks.invalid", **arguments):
    defaults = {"api_key": "sk-secret", "connect_timeout_s": 5, "pool_timeout_s": 5, "max_reply_bytes": 100_000}
    return Upstream(transport=transport, base_url=base_url, tasks_url=tasks_url, **defaults | arguments)


async def post(upstream, path="/v1/x", content=b"{}", timeout_s=10.0):
    return await upstream.request("POST", "api", path, content=content, timeout_s=timeout_s)


async def reply_from(*replies, **arguments):
    """Call a real server that answers with `replies`; returns its record, too."""
    async with m.misbehaving(m.answering(*replies)) as server:
        upstream = upstream_with(AiohttpTransport(), server.url, **arguments)
        try:
            return await post(upstream), server
        finally:
            await upstream.aclose()


async def test_call_as_it_goes_out():
    """A call is the given method, path and body, with our name and the key, and nothing else."""
    response, server = await reply_from(m.http_reply(headers={"X-Request-Id": "r1"}))
    assert (response.status_code, response.content, response.headers["x-request-id"]) == (200, m.ANSWER, "r1")
    request_line, *lines = server.requests[0].head.strip().split(b"\r\n")
    assert request_line == b"POST /v1/x HTTP/1.1"
    assert dict(line.lower().split(b": ") for line in lines) == {
        b"host": server.url.removeprefix("http://").encode(),
        b"accept": b"application/json",
        b"accept-encoding": b"identity",
        b"authorization": b"bearer sk-secret",
        b"content-length": b"2",
        b"content-type": b"application/json",
        b"user-agent": b"aihubmix-image-gateway/" + __version__.encode(),
    }


async def test_each_origin_gets_its_calls():
    """The origins "api" and "tasks" are two hosts, each with its configured prefix."""
    seen = []

    def handler(request):
        seen.append((request.method, str(request.url)))
        return httpx.Response(200)

    upstream = upstream_with(httpx.MockTransport(handler), "https://a.invalid/prefix/", "https://t.invalid")
    await upstream.request("POST", "api", "/v1/x", content=b"{}", timeout_s=1)
    await upstream.request("GET", "tasks", "/v1/tasks/a%2Fb", content=None, timeout_s=1)
    assert seen == [("POST", "https://a.invalid/prefix/v1/x"), ("GET", "https://t.invalid/v1/tasks/a%2Fb")]


@pytest.mark.parametrize("path", ["@evil.invalid/v1", ".evil.invalid/", "", ":8080/"])
async def test_path_cannot_change_the_host(path):
    """What would extend the host's name instead of the path is refused: the key goes to configured hosts only."""
    seen = []
    upstream = upstream_with(httpx.MockTransport(seen.append))
    with pytest.raises(ValueError, match="starts with a slash"):
        await post(upstream, path)
    assert seen == []


@pytest.mark.parametrize("key", ["sk-1\n", "sk-1\r\nX-Evil: 1", "sk-ü"])
def test_key_that_no_header_can_carry(key):
    """A key with a line break or a foreign letter stops the start, without being shown."""
    with pytest.raises(ValueError, match="Aihubmix key") as caught:
        upstream_with(httpx.MockTransport(lambda _: httpx.Response(200)), api_key=key)
    assert key not in str(caught.value)


async def test_redirect_is_an_answer():
    """A redirect is handed on, so the key never follows it."""
    response, server = await reply_from(m.http_reply(307, {"Location": "http://127.0.0.1:1/"}))
    assert response.status_code == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503])
async def test_every_status_is_an_answer(status):
    """An error comes back as it is, body and headers, for the caller to judge."""
    response, _ = await reply_from(m.http_reply(status, {"Retry-After": "7"}, b'{"error":{}}'))
    assert (response.status_code, response.headers["retry-after"]) == (status, "7")
    assert response.content == b'{"error":{}}'


async def test_gzip_is_decoded_once():
    """A reply that is compressed unasked is decoded."""
    reply = m.http_reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(m.ANSWER))
    response, _ = await reply_from(reply)
    assert response.content == m.ANSWER


@pytest.mark.parametrize("status", [429, 500])
async def test_error_whose_body_breaks_off_is_still_that_error(status):
    """The status of an error is its answer, even if its body is lost: a refusal stays a refusal."""
    reply = m.http_reply(status, {"Content-Length": "999", "Retry-After": "7"})
    async with m.misbehaving(m.answering_then_ending(reply)) as server:
        upstream = upstream_with(AiohttpTransport(), server.url)
        response = await post(upstream)
        await upstream.aclose()
    assert (response.status_code, response.content, response.headers["retry-after"]) == (status, b"", "7")


async def test_oversized_error_is_still_that_error():
    """An error with an endless page is that error, without the page."""
    response, _ = await reply_from(m.http_reply(503, body=bytes(200_000)))
    assert (response.status_code, response.content) == (503, b"")


async def test_any_transport_will_do():
    """The transport is a seam: its exceptions get their verdict whatever its make."""

    def refuse(request):
        raise httpx.ConnectError("no", request=request)

    with pytest.raises(CallFailed) as caught:
        await post(upstream_with(httpx.MockTransport(refuse)))
    assert (caught.value.verdict, caught.value.reason) == (Verdict.NOT_SENT, "connect")


async def test_unforeseen_exception_is_unanswered():
    """A failure that nobody foresaw still gets a verdict, and it is the careful one."""

    def explode(_):
        raise RuntimeError("?")

    with pytest.raises(CallFailed) as caught:
        await post(upstream_with(httpx.MockTransport(explode)))
    assert (caught.value.verdict, caught.value.reason) == (Verdict.UNANSWERED, "unexpected")


async def test_several_megabytes():
    """A reply of many reads arrives byte for byte."""
    body = bytes(range(256)) * 20_000
    response, _ = await reply_from(m.http_reply(body=body), max_reply_bytes=len(body))
    assert response.content == body

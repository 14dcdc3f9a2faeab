import asyncio
import socket
import ssl
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from gateway.upstream import failures
from gateway.upstream.body import TooLarge
from gateway.upstream.client import Upstream
from gateway.upstream.failures import CallFailed, Verdict
from gateway.upstream.transport import AiohttpTransport
from tests.support import misbehaving as m

BODY = b'{"input":{"prompt":"a paid call"}}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request):
    """Run on both event loops: the product runs on uvloop, and failures come out of the loop."""
    return "asyncio", {"use_uvloop": request.param}


def upstream_at(url, *, timeout_s=10.0, **transport_arguments):
    upstream = Upstream(
        transport=AiohttpTransport(**transport_arguments),
        base_url=url,
        tasks_url="http://127.0.0.1:1",
        api_key="sk-secret",
        connect_timeout_s=1.0,
        pool_timeout_s=0.05,
        max_reply_bytes=100_000,
    )
    return upstream, partial(upstream.request, "POST", "api", "/v1/x", content=BODY, timeout_s=timeout_s)


async def failure_at(url, **arguments):
    upstream, call = upstream_at(url, **arguments)
    try:
        with pytest.raises(CallFailed) as caught:
            await call()
    finally:
        await upstream.aclose()
    return caught.value


@dataclass
class Lost:
    """A call that reached a server, and what must be said of it."""

    behaviour: m.Behaviour
    cause: type[Exception]
    reason: str
    requests: int = 1
    timeout_s: float = 10.0


LOST = {
    "reset on accept": Lost(m.reset_on_accept, httpx.ReadError, "reset", requests=0),
    "reset after the head": Lost(m.reset_after_head, httpx.ReadError, "reset"),
    "reset after the body": Lost(m.reset_after_body, httpx.ReadError, "reset"),
    "closed after the body": Lost(m.close_after_body, httpx.ReadError, "reset"),
    "garbage": Lost(
        m.answering_then_ending(b"\x00\xffSSH-2.0-nonsense\r\n\r\n"), httpx.RemoteProtocolError, "protocol"
    ),
    "half a head": Lost(m.answering_then_ending(b"HTTP/1.1 200 O"), httpx.ReadError, "reset"),
    "half a body": Lost(
        m.answering_then_ending(m.http_reply(headers={"Content-Length": "999"})),
        httpx.RemoteProtocolError,
        "half_body",
    ),
    "half a chunked body": Lost(m.answering_then_ending(CHUNKED + b"5\r\nab"), httpx.RemoteProtocolError, "half_body"),
    "chunked garbage": Lost(m.answering_then_ending(CHUNKED + b"zz\r\nab"), httpx.RemoteProtocolError, "protocol"),
    "half of a gzip": Lost(
        m.answering_then_ending(m.http_reply(headers={"Content-Encoding": "gzip"}, body=b"not gzip")),
        httpx.DecodingError,
        "half_body",
    ),
    "a huge body": Lost(m.answering(m.http_reply(body=bytes(200_000))), TooLarge, "too_large"),
    "accepted, never answered": Lost(m.read_then_silence, TimeoutError, "timeout", timeout_s=0.2),
    "bytes dripped for ever": Lost(m.dripping(CHUNKED), TimeoutError, "timeout", timeout_s=0.2),
}


@pytest.mark.parametrize("case", LOST.values(), ids=LOST)
async def test_whatever_happens_on_a_connection_is_unanswered_and_never_sent_again(case):
    """A call that a server may have accepted is unanswered, and the server saw it exactly once."""
    async with m.misbehaving(case.behaviour) as server:
        failure = await failure_at(server.url, timeout_s=case.timeout_s)
        await server.wait_for(lambda s: s.open_connections == 0)

    assert (failure.verdict, failure.reason) == (Verdict.UNANSWERED, case.reason)
    assert isinstance(failure.__cause__, case.cause)
    assert server.accepted == 1
    assert len(server.requests) == case.requests
    if case.behaviour not in (m.reset_on_accept, m.reset_after_head):
        assert server.requests[0].body == BODY


async def test_refused_connection_was_not_sent():
    """A closed port proves that nothing was sent."""
    failure = await failure_at(f"http://127.0.0.1:{m.closed_port()}")
    assert (failure.verdict, failure.reason) == (Verdict.NOT_SENT, "connect_refused")
    assert isinstance(failure.__cause__, httpx.ConnectError)


async def test_unknown_name_was_not_sent():
    """A name that does not resolve proves that nothing was sent."""
    failure = await failure_at("http://name.invalid")
    assert failure.verdict is Verdict.NOT_SENT
    assert failure.reason in {"dns", "connect_timeout"}  # the latter where no name server answers


async def test_full_backlog_was_not_sent():
    """A connection that is never established times out as not sent."""
    with m.full_backlog() as url:
        failure = await failure_at(url)
    assert (failure.verdict, failure.reason) == (Verdict.NOT_SENT, "connect_timeout")
    assert isinstance(failure.__cause__, httpx.ConnectTimeout)


async def test_handshake_that_never_ends_was_not_sent():
    """A server that never shakes hands was sent no request."""
    async with m.misbehaving(m.silence) as server:
        failure = await failure_at(server.url.replace("http:", "https:"))
    assert (failure.verdict, failure.reason) == (Verdict.NOT_SENT, "connect_timeout")
    assert server.requests == []


async def test_reset_within_the_handshake_was_not_sent():
    """A connection reset before the handshake is over was sent no request."""
    async with m.misbehaving(m.reset_on_accept) as server:
        failure = await failure_at(server.url.replace("http:", "https:"))
    assert (failure.verdict, failure.reason) == (Verdict.NOT_SENT, "connect")


@pytest.mark.parametrize("flaw", ["authority", "name"])
async def test_wrong_certificate_was_not_sent(flaw):
    """A certificate of an unknown authority, or for another name, ends the call before the key is sent."""
    server_tls, trusting = m.certified("127.0.0.1" if flaw == "authority" else "other.invalid")
    client_tls = ssl.create_default_context() if flaw == "authority" else trusting
    async with m.misbehaving(m.answering(), tls=server_tls) as server:
        failure = await failure_at(server.url, ssl_context=client_tls)
    assert (failure.verdict, failure.reason) == (Verdict.NOT_SENT, "tls")
    assert server.requests == []


async def test_full_pool_was_not_sent():
    """A call that finds no free connection in time was not sent, and the one in flight goes on."""
    async with m.misbehaving(m.read_then_silence) as server:
        upstream, call = upstream_at(server.url, limit=1)
        async with asyncio.TaskGroup() as group:
            holder = group.create_task(call())
            await server.wait_for(lambda s: len(s.requests) == 1)
            with pytest.raises(CallFailed) as caught:
                await call()
            assert not holder.done()
            holder.cancel()
        await upstream.aclose()
    assert (caught.value.verdict, caught.value.reason) == (Verdict.NOT_SENT, "pool_timeout")
    assert server.accepted == 1


async def test_kept_connection_that_dies_with_a_second_call_is_unanswered():
    """A call on a kept connection that the server closes instead of answering is not sent again."""

    async def answer_once(connection):
        await connection.read_request()
        await connection.send(m.http_reply())
        await connection.read_request()

    async with m.misbehaving(answer_once) as server:
        upstream, call = upstream_at(server.url)
        assert (await call()).status_code == 200
        with pytest.raises(CallFailed) as caught:
            await call()
        await upstream.aclose()
    assert (caught.value.verdict, caught.value.reason) == (Verdict.UNANSWERED, "reset")
    assert (server.accepted, len(server.requests)) == (1, 2)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, None), (400, None), (401, None), (404, None), (500, None)]
    + [(status, Verdict.REFUSED) for status in (429, 503)]
    + [(status, Verdict.UNANSWERED) for status in (408, 502, 504, 520, 521, 522, 523, 524)],
)
def test_statuses(status, verdict):
    """A status is an answer, a refusal before acceptance, or an intermediary's sign that the answer was lost."""
    assert failures.of_status(status) is verdict


def test_unknown_exceptions_are_unanswered():
    """A doubt never buys twice."""
    for exc in (RuntimeError("?"), KeyError("?"), httpx.UnsupportedProtocol("?"), httpx.TransportError("?")):
        assert failures.of_exception(exc)[0] is Verdict.UNANSWERED


def test_connect_reason_is_found_beneath_any_transport():
    """The reason is told by the exception at the root, however deep it lies."""
    exc = httpx.ConnectError("outer")
    exc.__cause__ = OSError("between")
    exc.__cause__.__cause__ = socket.gaierror("root")
    assert failures.of_exception(exc) == (Verdict.NOT_SENT, "dns")

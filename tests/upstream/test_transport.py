import asyncio
import gzip

import httpx
import pytest
from aiohttp.http_exceptions import TransferEncodingError

from gateway.upstream.transport import AiohttpTransport, _translated
from tests.support import misbehaving as m


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request):
    """Run on both event loops: the product runs on uvloop, and failures come out of the loop."""
    return "asyncio", {"use_uvloop": request.param}


def request_to(url, method="GET", *, content=None, **timeouts):
    extensions = {"timeout": {"connect": 5.0, "pool": 5.0, "read": 5.0, "write": 5.0} | timeouts}
    return httpx.Request(method, url, content=content, extensions=extensions)


async def fetch(transport, url, method="GET", **arguments):
    response = await transport.handle_async_request(request_to(url, method, **arguments))
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response


async def test_signed_url_arrives_byte_for_byte():
    """Every character that a URL may hold, escaped or not, is sent as it was given."""
    target = "/a%2Fb~c%7Ed+e;f=1,@:!$&'()*/x?X-Sig=ab%3D%2Bc+d~%7E/%2F?:@!$&'()*,;=%20"
    async with m.misbehaving(m.answering()) as server, AiohttpTransport() as transport:
        await fetch(transport, server.url + target)
    assert server.requests[0].target == target.encode()


async def test_nothing_is_added_to_a_request():
    """The request on the wire is the request that was given: no header of the engine's own."""
    async with m.misbehaving(m.answering()) as server, AiohttpTransport() as transport:
        request = httpx.Request("POST", server.url + "/x", headers={"X-Own": "1"}, content=b"body")
        response = await transport.handle_async_request(request)
        await response.aclose()
    names = [line.split(b":")[0].lower() for line in server.requests[0].head.split(b"\r\n")[1:] if line]
    assert sorted(names) == [b"content-length", b"host", b"x-own"]


async def test_large_body_arrives_whole():
    """A body of many writes arrives byte for byte, and no warning is raised for its size."""
    body = bytes(range(256)) * 20_000
    async with m.misbehaving(m.answering()) as server, AiohttpTransport() as transport:
        await fetch(transport, server.url, "POST", content=body)
    assert server.requests[0].body == body


async def test_cookies_are_never_replayed():
    """A cookie set by one reply is not sent with the next request."""
    reply = m.http_reply(headers={"Set-Cookie": "tenant=1; Path=/"})
    async with m.misbehaving(m.answering(reply)) as server, AiohttpTransport() as transport:
        await fetch(transport, server.url)
        await fetch(transport, server.url)
    assert len(server.requests) == 2
    assert b"cookie" not in server.requests[1].head.lower()


async def test_redirects_are_not_followed():
    """A redirect is a response like any other."""
    reply = m.http_reply(307, {"Location": "/elsewhere"})
    async with m.misbehaving(m.answering(reply)) as server, AiohttpTransport() as transport:
        response = await fetch(transport, server.url, "POST", content=b"paid")
    assert response.status_code == 307
    assert len(server.requests) == 1


async def test_gzip_is_decoded_once():
    """A compressed reply is what its server compressed, even if that is itself compressed."""
    inner = gzip.compress(b"picture")
    reply = m.http_reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(inner))
    async with m.misbehaving(m.answering(reply)) as server, AiohttpTransport() as transport:
        response = await fetch(transport, server.url)
    assert response.content == inner


async def test_long_header_loses_no_reply():
    """A header line of 20 kB does not turn an answer into a failure."""
    reply = m.http_reply(headers={"Content-Security-Policy": "x" * 20_000})
    async with m.misbehaving(m.answering(reply)) as server, AiohttpTransport() as transport:
        response = await fetch(transport, server.url)
    assert len(response.headers["content-security-policy"]) == 20_000


async def test_two_hundred_at_once():
    """200 calls in flight at once are all answered."""
    everyone_is_here = asyncio.Event()

    async def answer_when_all_are_here(connection):
        await connection.read_request()
        await everyone_is_here.wait()
        await connection.send(m.http_reply())

    async with m.misbehaving(answer_when_all_are_here) as server, AiohttpTransport(limit=200) as transport:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(fetch(transport, server.url)) for _ in range(200)]
            await server.wait_for(lambda s: len(s.requests) == 200)
            everyone_is_here.set()
        assert {call.result().status_code for call in calls} == {200}


async def test_limit_bounds_the_connections():
    """No more than `limit` calls are in flight; the others wait for their turn."""
    async with m.misbehaving(m.answering()) as server, AiohttpTransport(limit=3) as transport:
        responses = await asyncio.gather(*(fetch(transport, server.url) for _ in range(30)))
    assert {response.status_code for response in responses} == {200}
    assert 1 <= server.peak <= 3


@pytest.mark.parametrize("phase", ["head", "body"])
async def test_cancelled_call_frees_its_connection(phase):
    """A cancelled call closes its connection and gives up its place, before the reply's head and after."""

    async def stuck(connection):
        await connection.read_request()
        if phase == "body":
            await connection.send(m.http_reply(headers={"Content-Length": "999"}))
        await connection.wait_closed_by_client()

    async with m.misbehaving(stuck, m.answering()) as server, AiohttpTransport(limit=1) as transport:
        async with asyncio.TaskGroup() as group:
            call = group.create_task(fetch(transport, server.url))
            await server.wait_for(lambda s: len(s.requests) == 1)
            call.cancel()
        await server.wait_for(lambda s: s.open_connections == 0)
        assert (await fetch(transport, server.url)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("behaviour", [m.reset_after_body, m.close_after_body])
async def test_no_method_is_ever_sent_again(method, behaviour):
    """A lost connection loses the call, idempotent or not: whether to repeat it is for the caller to say."""
    async with m.misbehaving(behaviour) as server, AiohttpTransport() as transport:
        with pytest.raises(httpx.ReadError):
            await fetch(transport, server.url, method)
    assert len(server.requests) == 1


async def test_failed_call_frees_its_place():
    """A call that fails in any phase gives up its place in the pool."""
    half = m.answering_then_ending(m.http_reply(headers={"Content-Length": "999"}))
    behaviours = (m.reset_after_body, half, m.answering())
    async with m.misbehaving(*behaviours) as server, AiohttpTransport(limit=1) as transport:
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                await fetch(transport, server.url)
        assert (await fetch(transport, server.url)).status_code == 200


async def test_answered_connection_is_used_again():
    """Calls in a row share one connection."""
    async with m.misbehaving(m.answering()) as server, AiohttpTransport() as transport:
        for _ in range(3):
            await fetch(transport, server.url)
    assert (server.accepted, len(server.requests)) == (1, 3)


async def test_idle_connection_outlives_keepalive_by_nothing():
    """A connection idle for longer than `keepalive_s` is not used again."""
    async with m.misbehaving(m.answering()) as server, AiohttpTransport(keepalive_s=0.01) as transport:
        await fetch(transport, server.url)
        await server.wait_for(lambda s: s.open_connections == 0)
        await fetch(transport, server.url)
    assert (server.accepted, len(server.requests)) == (2, 2)


async def test_connection_that_the_server_closed_while_idle_is_not_used():
    """A kept connection that the server has closed is replaced before a call is put on it."""
    idle_closed = asyncio.Event()

    async def answer_once(connection):
        await connection.read_request()
        await connection.send(m.http_reply())
        await connection.close_while_idle()
        idle_closed.set()

    async with m.misbehaving(answer_once, m.answering()) as server, AiohttpTransport() as transport:
        await fetch(transport, server.url, "POST", content=b"first")
        await asyncio.wait_for(idle_closed.wait(), 10)
        response = await fetch(transport, server.url, "POST", content=b"second")
    assert response.status_code == 200
    assert [request.body for request in server.requests] == [b"first", b"second"]


async def test_closing_leaves_nothing_open():
    """`aclose` closes idle connections and those in flight, whose calls fail as unanswered."""
    async with m.misbehaving(m.answering(), m.read_then_silence) as server:
        transport = AiohttpTransport()
        await fetch(transport, server.url)
        calls = asyncio.gather(*(fetch(transport, server.url) for _ in range(2)), return_exceptions=True)
        await server.wait_for(lambda s: s.accepted == 2 and len(s.requests) == 3)
        await transport.aclose()
        outcomes = await asyncio.wait_for(calls, 10)
        assert {type(outcome) for outcome in outcomes} == {httpx.Response, httpx.ReadError}
        await server.wait_for(lambda s: s.open_connections == 0)


async def test_closing_an_unused_transport():
    """A transport that was never used closes without a session."""
    await AiohttpTransport().aclose()


async def test_stalled_upload_times_out():
    """A server that stops taking the body in ends the call by the write time-out."""
    async with m.misbehaving(m.never_reading) as server, AiohttpTransport() as transport:
        with pytest.raises(httpx.WriteTimeout):
            await fetch(transport, server.url, "POST", content=bytes(30_000_000), read=None, write=0.2)


@pytest.mark.parametrize("phase", ["head", "body"])
async def test_silent_server_times_out(phase):
    """A server that says nothing for the read time-out ends the call, before the reply's head and after."""

    async def stuck(connection):
        await connection.read_request()
        if phase == "body":
            await connection.send(m.http_reply(headers={"Content-Length": "999"}))
        await connection.wait_closed_by_client()

    async with m.misbehaving(stuck) as server, AiohttpTransport() as transport:
        with pytest.raises(httpx.ReadTimeout):
            await fetch(transport, server.url, "POST", content=b"paid", read=0.1)
    assert len(server.requests) == 1


async def test_garbage_in_the_middle_of_a_body():
    """Broken framing after a good part of the body is a failure, neither a complete reply nor a hang."""
    first_part_read = asyncio.Event()

    async def break_off(connection):
        await connection.read_request()
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await first_part_read.wait()
        await connection.send(b"zz\r\n")

    async with m.misbehaving(break_off) as server, AiohttpTransport() as transport:
        response = await transport.handle_async_request(request_to(server.url, read=0.3))
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b"ab"
        first_part_read.set()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadTimeout)):
            await anext(chunks)
        await response.aclose()


async def test_guard_sees_the_address_and_refuses_before_a_socket_is_opened():
    """The guard is asked about the address that the name stands for, and its refusal is no connection."""
    seen = []

    def refuse(ip):
        seen.append(ip)
        raise PermissionError(13, f"{ip} is refused")

    async with m.misbehaving(m.answering()) as server, AiohttpTransport(guard=refuse) as transport:
        with pytest.raises(httpx.ConnectError):
            await fetch(transport, server.url.replace("127.0.0.1", "localhost"))
    assert set(seen) <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in seen
    assert server.accepted == 0


async def test_guard_that_agrees_changes_nothing():
    """An address that the guard lets pass is connected to."""
    seen = []
    async with m.misbehaving(m.answering()) as server, AiohttpTransport(guard=seen.append) as transport:
        assert (await fetch(transport, server.url)).status_code == 200
    assert seen == ["127.0.0.1"]


async def test_ipv6():
    """A bracketed IPv6 literal is connected to."""
    async with m.misbehaving(m.answering(), host="::1") as server, AiohttpTransport() as transport:
        assert (await fetch(transport, server.url)).status_code == 200


async def test_proxy_gets_the_whole_url_and_resolves_the_name():
    """With a proxy, only the proxy is connected to, and it is told the URL as given."""
    async with m.misbehaving(m.answering()) as proxy, AiohttpTransport(proxy=proxy.url) as transport:
        assert (await fetch(transport, "http://picture.invalid/a%2Fb?c=%3D")).status_code == 200
    assert proxy.requests[0].target == b"http://picture.invalid/a%2Fb?c=%3D"


async def test_tunnel_refused_by_the_proxy_is_no_connection():
    """A proxy that refuses the tunnel proves that nothing was sent to the server."""
    reply = m.http_reply(403)
    async with m.misbehaving(m.answering(reply)) as proxy, AiohttpTransport(proxy=proxy.url) as transport:
        with pytest.raises(httpx.ConnectError):
            await fetch(transport, "https://picture.invalid/")
    assert proxy.requests[0].target == b"picture.invalid:443"


async def test_environment_is_not_trusted(monkeypatch):
    """A proxy in the environment is not used."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{m.closed_port()}")
    async with m.misbehaving(m.answering()) as server, AiohttpTransport() as transport:
        assert (await fetch(transport, server.url)).status_code == 200


async def test_url_secrets_stay_out_of_messages():
    """The message of a failure holds nothing of the URL."""
    with m.full_backlog() as url:
        async with AiohttpTransport() as transport:
            with pytest.raises(httpx.ConnectTimeout) as caught:
                await fetch(transport, f"{url}/?X-Signature=secret", connect=0.1)
    assert "secret" not in str(caught.value)


async def test_host_that_cannot_be_spelled():
    """A host name that DNS cannot carry is our own protocol error, not the server's."""
    async with AiohttpTransport() as transport:
        with pytest.raises(httpx.LocalProtocolError):
            await fetch(transport, f"http://{'a' * 300}.invalid")


def test_parser_without_its_c_extension():
    """The bare error that aiohttp's pure-Python parser leaks within a body is the server's protocol error."""
    with pytest.raises(httpx.RemoteProtocolError), _translated():
        raise TransferEncodingError("zz")

"""What clients may do to a connection: malformed, oversized and endless heads, other protocols, pipelines."""

import asyncio
import http.client
import json
import socket
import struct
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.http_protocol import HttpProtocol
from tests.support.gateway import RunningGateway, envelope, settings_for

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
WHOLE = GET + b"\r\n"


class Impatient(HttpProtocol):
    """Waits for a head a fifth of a second only."""

    head_timeout_s = 0.2


@pytest.fixture
def impatient(sandbox, valkey_url):
    with RunningGateway(settings_for(sandbox, valkey_url), Impatient) as gateway:
        yield gateway


class Raw:
    """A connection that sends what it is told to, byte for byte."""

    def __init__(self, connected):
        self.socket = connected

    def send(self, data):
        self.socket.sendall(data)
        return self

    def answer(self, method="GET"):
        """Read one answer."""
        reply = http.client.HTTPResponse(self.socket, method=method)
        reply.begin()
        return httpx.Response(reply.status, headers=reply.getheaders(), content=reply.read())

    def is_closed(self):
        """Wait for the end of what the gateway sends; True if nothing more came."""
        return self.socket.recv(1) == b""


@contextmanager
def raw(gateway):
    port = int(gateway.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connected:
        yield Raw(connected)


def a_head_timeout_passes(gateway):
    """Wait as long as the gateway waits for a head: until it closes a connection that says nothing."""
    with raw(gateway) as silent:
        assert silent.is_closed()


def post(key, body, *headers, chunked=False):
    """Split a request for images into head and body."""
    framing = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % len(body)
    lines = [b"POST /v1/images/generations HTTP/1.1", b"host: x", framing, *headers]
    lines += [f"authorization: Bearer {key}".encode()] if key else []
    return b"\r\n".join([*lines, b"", b""]), body


def asking(**fields):
    return json.dumps({"model": "V3", "prompt": "a fox"} | fields).encode()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /é HTTP/1.1\r\nhost: x\r\n\r\n".encode(),
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        post("[key]", b"", chunked=True)[0] + b"zz\r\n",
    ],
    ids=["binary", "tls", "http2", "no colon", "raw utf-8", "two lengths", "bad chunk"],
)
def test_a_malformed_request_gets_an_envelope(gateway, key, rubbish):
    """With a request id; it is counted, and the connection ends."""
    with raw(gateway) as client, gateway.http() as http:
        told = client.send(rubbish.replace(b"[key]", key.encode())).answer()
        assert client.is_closed()
        counted = http.get("/metrics").text

    assert (400, "invalid_request_error", "invalid_request", None) == envelope(told)
    assert "close" == told.headers["connection"]
    assert "*" == told.headers["access-control-allow-origin"]
    assert 'outcome="invalid_request",route="unrouted",status="400",team=""} 1.0' in counted


def test_a_body_that_turns_out_malformed_buys_nothing(gateway, key, sandbox):
    """Its request counts as left by its client."""
    head, _ = post(key, b"", chunked=True)
    with raw(gateway) as client, gateway.http() as http:
        told = client.send(head + b'5\r\n{"pro\r\n').send(b"zz\r\n").answer()
        assert client.is_closed()
        sandbox.wait_for(lambda: 'route="/v1/images/generations",status="499"' in http.get("/metrics").text)

    assert (400, "invalid_request") == (told.status_code, envelope(told)[2])
    assert 0 == sandbox.stats().paid_calls


def test_rubbish_after_a_paid_request_does_not_lose_its_answer(gateway, key, sandbox):
    """The picture arrives whole; only then the connection ends."""
    sandbox.drill("V3", "hold")
    head, body = post(key, asking())
    with raw(gateway) as client, gateway.http() as http:
        client.send(head + body)
        sandbox.wait_for(lambda: sandbox.calls)
        client.send(b"\x00\x01\x02\r\n\r\n" + WHOLE)
        http.get("/healthz")  # a round trip of another connection: by now the rubbish has been read
        sandbox.release()
        told = client.answer()
        assert client.is_closed()

    assert 200 == told.status_code
    assert told.json()["data"][0]["b64_json"]


def test_a_client_that_leaves_a_pipeline_has_left_each_of_its_requests(gateway, key, sandbox):
    """Also the one that is answered at the time: its picture waits for the retry, and is not bought again."""
    sandbox.drill("V3", "hold")
    head, body = post(key, asking(), b"cache-control: no-store")
    with raw(gateway) as client:
        client.send(head + body + WHOLE)
        sandbox.wait_for(lambda: sandbox.calls)
    with gateway.http(key) as http:
        sandbox.wait_for(lambda: 'route="/v1/images/generations",status="499"' in http.get("/metrics").text)
        sandbox.release()
        headers = {"cache-control": "no-store", "x-stainless-retry-count": "1"}
        told = http.post("/v1/images/generations", content=body, headers=headers)

    assert (200, "joined") == (told.status_code, told.headers["x-gateway-cache"])
    assert 1 == sandbox.stats().paid_calls


@pytest.mark.parametrize(("size", "status"), [(60_000, 200), (70_000, 431)])
def test_a_head_has_a_largest_size(gateway, size, status):
    """64 KiB, whether in one header or in many."""
    one = b"x-long: " + b"a" * size + b"\r\n"
    many = b"".join(b"x-%05d: a\r\n" % number for number in range(size // 12))
    for headers in (one, many):
        with raw(gateway) as client:
            told = client.send(GET + headers + b"\r\n").answer()
        assert status == told.status_code
        if status == 431:
            assert "headers_too_large" == envelope(told)[2]


@pytest.mark.parametrize(
    "start",
    [b"GET /", GET + b"x-long: ", GET + b"x", post("[key]", b"", chunked=True)[0] + b"0\r\nx-trailer: "],
    ids=["url", "value", "name", "trailer"],
)
def test_what_never_ends_is_not_kept(gateway, key, start):
    """A line without an end is refused after 64 KiB and a read, and so bounded in memory."""
    with raw(gateway) as client:
        client.send(start.replace(b"[key]", key.encode()) + b"a").socket.settimeout(0.05)
        sent = 0
        while sent < 4_000_000:
            sent += client.socket.send(b"a" * 16_384)
            try:
                client.socket.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                continue
        client.socket.settimeout(30)
        told = client.answer()

    assert sent < 1_000_000
    assert (431, "headers_too_large") == (told.status_code, envelope(told)[2])


def test_a_large_body_is_no_large_head(gateway, key):
    """Whatever the size of its pieces."""
    body = asking(unknown="a" * 500_000)
    head, _ = post(key, body, chunked=True)
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 10]), body[at : at + 10]) for at in range(0, len(body), 10))
    with raw(gateway) as client:
        told = client.send(head + pieces + b"0\r\n\r\n").answer()

    assert 200 == told.status_code


@pytest.mark.parametrize("start", [b"GET /", GET, GET + b"x-slow: "])
def test_a_head_that_trickles_in_is_given_up(impatient, start):
    """However regularly its bytes come (slowloris)."""
    with raw(impatient) as client:
        client.send(start).socket.settimeout(0.02)
        while True:
            try:
                client.socket.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                client.send(b"a")
        client.socket.settimeout(30)
        told = client.answer()

    assert (408, "invalid_request_error", "request_timeout", None) == envelope(told)


def test_blank_lines_are_no_sign_of_a_head(impatient):
    """Not on a fresh connection, nor after an answer."""
    for before in (b"", WHOLE):
        with raw(impatient) as client:
            if before:
                assert 200 == client.send(before).answer().status_code
            client.send(b"\r\n")
            assert client.is_closed()


def test_only_heads_are_hurried(impatient, key, sandbox):
    """A slow picture, a slow upload and a connection that is kept for later all outlive the patience for a head."""
    sandbox.drill("V3", "hold")
    key = impatient.key()
    head, body = post(key, asking())
    with raw(impatient) as client:
        client.send(head)
        a_head_timeout_passes(impatient)
        client.send(body)
        sandbox.wait_for(lambda: sandbox.calls)
        a_head_timeout_passes(impatient)
        sandbox.release()
        assert 200 == client.answer().status_code
        a_head_timeout_passes(impatient)
        assert 200 == client.send(WHOLE).answer().status_code


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("wish", [b"h2c", b"websocket", b"TLS/1.0"])
def test_a_wish_for_another_protocol_is_declined(gateway, key, wish, at_once):
    """The request is answered in this one, with its body, and the connection goes on."""
    head, body = post(key, asking(), b"connection: Upgrade, HTTP2-Settings", b"upgrade: " + wish, b"http2-settings: AA")
    with raw(gateway) as client:
        for part in [head + body] if at_once else [head, body[:5], body[5:]]:
            client.send(part)
        told = client.answer()
        after = client.send(WHOLE).answer()

    assert 200 == told.status_code
    assert told.json()["data"][0]["b64_json"]
    assert 200 == after.status_code


def test_this_is_no_proxy(gateway):
    """CONNECT is a 405."""
    with raw(gateway) as client:
        told = client.send(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n").answer("POST")

    assert (405, "method_not_allowed") == (told.status_code, envelope(told)[2])


def test_a_trailer_is_no_header(gateway, key):
    """A key that comes after the body was not shown."""
    head, body = post("", asking(), chunked=True)
    trailer = f"authorization: Bearer {key}\r\n".encode()
    with raw(gateway) as client:
        told = client.send(head + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailer)).answer()

    assert 401 == told.status_code


@pytest.mark.parametrize("is_late", [False, True])
async def test_who_asks_for_a_reset_hears_of_it(is_late):
    """Also who asks when it has happened: between the end of an answer and the question, a connection may be lost."""
    answered, told = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        if not is_late:
            scope["state"]["when_reset"](told.set)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        answered.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        if is_late:
            scope["state"]["when_reset"](told.set)

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: HttpProtocol(config=config, server_state=ServerState(), app_state={}), "127.0.0.1", 0
    )
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(WHOLE)
        await answered.wait()
        linger = struct.pack("ii", 1, 0)  # closing resets
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        async with asyncio.timeout(20):
            await told.wait()

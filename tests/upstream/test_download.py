import asyncio
import errno
from contextlib import asynccontextmanager

import httpx
import pytest

from gateway.upstream.addresses import refuse_private
from gateway.upstream.client import Upstream
from gateway.upstream.download import Downloader, DownloadFailed
from gateway.upstream.transport import AiohttpTransport
from tests.support import misbehaving as m

PICTURE = b"\x89PNG picture"


@asynccontextmanager
async def downloader(*, trusted=(), public=None, allowed_hosts=None, max_bytes=1000, timeout_s=10.0):
    it = Downloader(
        trusted_origins=trusted,
        trusted=AiohttpTransport(),
        public=public or AiohttpTransport(guard=refuse_private),
        allowed_hosts=allowed_hosts,
        max_bytes=max_bytes,
        timeout_s=timeout_s,
    )
    try:
        yield it
    finally:
        await it.aclose()


async def failure_of(url, **arguments):
    async with downloader(**arguments) as it:
        with pytest.raises(DownloadFailed) as caught:
            await it.fetch(url)
    return caught.value


def picture(body=PICTURE, **headers):
    return m.http_reply(headers=headers, body=body)


def redirect_to(location):
    return m.http_reply(302, {"Location": location}, b"")


async def test_trusted_origin():
    """A configured origin is fetched as configured: over http, at a private address."""
    async with m.misbehaving(m.answering(picture())) as server, downloader(trusted=[server.url + "/"]) as it:
        assert await it.fetch(server.url + "/a.png?X-Sig=%3D~%2F+") == PICTURE
    assert server.requests[0].target == b"/a.png?X-Sig=%3D~%2F+"


async def test_public_host_over_https():
    """A host with a good certificate at an address that the guard lets pass is fetched."""
    server_tls, client_tls = m.certified("127.0.0.1")
    public = AiohttpTransport(ssl_context=client_tls)
    async with (
        m.misbehaving(m.answering(picture()), tls=server_tls) as server,
        downloader(public=public) as it,
    ):
        assert await it.fetch(server.url) == PICTURE


async def test_only_our_name_is_told():
    """A download tells our name, and neither key nor cookie nor referer, even beside calls that bear the key."""
    async with m.misbehaving(m.answering(picture(**{"Set-Cookie": "a=1"}))) as server:
        upstream = Upstream(
            transport=AiohttpTransport(),
            base_url=server.url,
            tasks_url=server.url,
            api_key="sk-secret",
            connect_timeout_s=5,
            pool_timeout_s=5,
            max_reply_bytes=1000,
        )
        await upstream.request("GET", "tasks", "/v1/tasks/1", content=None, timeout_s=10)
        async with downloader(trusted=[server.url]) as it:
            await it.fetch(server.url)
            await it.fetch(server.url)
        await upstream.aclose()
    call, *downloads = [request.head.lower() for request in server.requests]
    assert b"sk-secret" in call
    for head in downloads:
        names = sorted(line.split(b":")[0] for line in head.strip().split(b"\r\n")[1:])
        assert names == [b"accept", b"accept-encoding", b"host", b"user-agent"]
        assert b"sk-secret" not in head


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
async def test_private_address_in_any_spelling(host):
    """A private address is refused before a connection is made, however it is spelled or looked up."""
    async with m.misbehaving(m.answering(picture())) as server:
        failure = await failure_of(server.url.replace("http:", "https:").replace("127.0.0.1", host))
    odd = host in {"2130706433", "0177.0.0.1", "127.1"}  # not even a URL, but for browsers
    assert (failure.reason, failure.retryable) == ("bad_url" if odd else "address_refused", False)
    assert server.accepted == 0


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"])
async def test_private_address_in_ipv6(host):
    """The same holds for IPv6, and for IPv4 in its clothes."""
    async with m.misbehaving(m.answering(picture())) as server:
        failure = await failure_of(server.url.replace("http:", "https:").replace("127.0.0.1", host))
    assert (failure.reason, failure.retryable) == ("address_refused", False)
    assert server.accepted == 0


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "data", ""])
async def test_only_https(scheme):
    """Nothing but https is fetched from an origin that is not configured."""
    failure = await failure_of(f"{scheme}://name.invalid/x" if scheme else "//name.invalid/x")
    assert (failure.reason, failure.retryable) == ("not_https", False)


@pytest.mark.parametrize(
    "url", ["", "https://", "https:///x", "/x", "https://[::1", "https://h:port/", "https://name.invalid:99999/",
            "https://" + "a" * 300 + ".invalid/"]
)  # fmt: skip
async def test_what_is_no_url(url):
    """A URL that cannot be fetched by anyone is not tried again."""
    failure = await failure_of(url)
    assert (failure.reason, failure.retryable) == ("bad_url", False)


async def test_userinfo_is_refused():
    """A URL with a user's name or password is refused, also on a configured origin."""
    async with m.misbehaving(m.answering(picture())) as server:
        url = server.url.replace("//", "//user:pass@")
        failure = await failure_of(url, trusted=[server.url])
    assert (failure.reason, failure.retryable) == ("userinfo", False)
    assert server.accepted == 0


async def test_redirects_are_followed():
    """Five redirects, relative and absolute, lead to the picture."""
    locations = {"/a/a": "b", "/a/b": "/c?d=%2F", "/c": "//h.invalid/e", "/e": "https://i.invalid/f", "/f": "g"}
    asked = []

    def serve(request):
        asked.append(str(request.url))
        location = locations.get(request.url.path)
        return httpx.Response(302, headers={"Location": location}) if location else httpx.Response(200, content=PICTURE)

    async with downloader(public=httpx.MockTransport(serve)) as it:
        assert await it.fetch("https://h.invalid/a/a") == PICTURE
    assert asked == [
        "https://h.invalid/a/a",
        "https://h.invalid/a/b",
        "https://h.invalid/c?d=%2F",
        "https://h.invalid/e",
        "https://i.invalid/f",
        "https://i.invalid/g",
    ]


async def test_endless_redirects():
    """The sixth redirect ends it."""
    async with m.misbehaving(m.answering(redirect_to("/again"))) as server:
        failure = await failure_of(server.url, trusted=[server.url])
    assert (failure.reason, failure.retryable) == ("redirects", False)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("https://127.0.0.1:{port}/", "address_refused"),
        ("//127.0.0.1:{port}/", "not_https"),
        ("http://127.0.0.1:{port}/", "not_https"),
        ("https://u:p@name.invalid/", "userinfo"),
        ("https://[::1", "bad_url"),
    ],
)
async def test_trusted_origin_cannot_redirect_into_the_private_network(location, reason):
    """A redirect is judged as if it had been the URL: trust in an origin is not trust in where it points."""
    async with m.misbehaving(m.answering(picture())) as secret:
        target = location.format(port=secret.url.rsplit(":", 1)[1])
        async with m.misbehaving(m.answering(redirect_to(target))) as server:
            failure = await failure_of(server.url, trusted=[server.url])
    assert (failure.reason, failure.retryable) == (reason, False)
    assert secret.accepted == 0


async def test_public_host_cannot_redirect_into_the_private_network():
    """The address of every hop is judged when it is connected to."""

    def only_127_0_0_2(ip):
        if ip != "127.0.0.2":
            raise PermissionError(errno.EACCES, ip)

    server_tls, client_tls = m.certified("127.0.0.1", "127.0.0.2")
    public = AiohttpTransport(ssl_context=client_tls, guard=only_127_0_0_2)
    async with m.misbehaving(m.answering(picture()), tls=server_tls) as secret:
        behaviour = m.answering(redirect_to(secret.url))
        async with m.misbehaving(behaviour, host="127.0.0.2", tls=server_tls) as server:
            failure = await failure_of(server.url, public=public)
    assert (failure.reason, failure.retryable) == ("address_refused", False)
    assert (len(server.requests), secret.accepted) == (1, 0)


@pytest.mark.parametrize(
    ("host", "fetched"),
    [
        ("bfl.invalid", True),
        ("cdn.BFL.invalid", True),
        ("a.b.bfl.invalid", True),
        ("evilbfl.invalid", False),
        ("bfl.invalid.evil.invalid", False),
        ("bfl.invalid.", False),
        ("127.0.0.1", False),
    ],
)
async def test_allow_list_of_hosts(host, fetched):
    """Through a proxy only the allowed hosts and their subdomains are asked for."""
    asked = []

    def proxy(request):
        asked.append(request.url.host)
        return httpx.Response(200, content=PICTURE)

    arguments = {"public": httpx.MockTransport(proxy), "allowed_hosts": [".bfl.invalid", ""]}
    if fetched:
        async with downloader(**arguments) as it:
            assert await it.fetch(f"https://{host}/x") == PICTURE
    else:
        failure = await failure_of(f"https://{host}/x", **arguments)
        assert (failure.reason, failure.retryable) == ("host_refused", False)
    assert asked == [host.lower()] * fetched


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(s, True) for s in (404, 408, 425, 429, 500, 502, 503)] + [(s, False) for s in (204, 304, 400, 401, 403, 410)],
)
async def test_statuses(status, retryable):
    """An error that may pass is worth another try; one that will not is not."""
    async with m.misbehaving(m.answering(m.http_reply(status, body=b""))) as server:
        failure = await failure_of(server.url, trusted=[server.url])
    assert (failure.reason, failure.status, failure.retryable) == ("status", status, retryable)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (m.reset_after_body, "reset"),
        (m.answering_then_ending(picture(**{"Content-Length": "999"})), "protocol"),
        (m.answering_then_ending(b"garbage\r\n\r\n"), "protocol"),
        (m.read_then_silence, "timeout"),
        (m.dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "timeout"),
    ],
)
async def test_lost_downloads_are_worth_another_try(behaviour, reason):
    """A download that breaks off, or takes too long as a whole, is no picture but may be tried again."""
    within_s = 0.3 if reason == "timeout" else 20
    async with m.misbehaving(behaviour) as server:
        failure = await failure_of(server.url, trusted=[server.url], timeout_s=within_s, max_bytes=10**9)
        await server.wait_for(lambda s: s.open_connections == 0)
    assert (failure.reason, failure.retryable) == (reason, True)


async def test_host_that_cannot_be_reached():
    """A refused connection is worth another try."""
    url = f"http://127.0.0.1:{m.closed_port()}"
    failure = await failure_of(url, trusted=[url])
    assert (failure.reason, failure.retryable) == ("connect_refused", True)


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large(chunked):
    """A picture past the limit is given up, whether or not its length was announced."""
    reply = picture(bytes(1001))
    if chunked:
        reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + bytes(1001) + b"\r\n0\r\n\r\n"
    async with m.misbehaving(m.answering(reply)) as server:
        failure = await failure_of(server.url, trusted=[server.url])
    assert (failure.reason, failure.retryable) == ("too_large", False)


async def test_failure_tells_no_secret():
    """The message of a failure holds nothing of a signed URL."""
    failure = await failure_of("https://127.0.0.1:1/?X-Signature=secret")
    assert str(failure) == "download failed: address_refused"


async def test_cancelled_download_closes_its_connection():
    """A cancelled download leaves no connection behind."""
    async with m.misbehaving(m.read_then_silence) as server, downloader(trusted=[server.url]) as it:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(it.fetch(server.url))
            await server.wait_for(lambda s: len(s.requests) == 1)
            task.cancel()
        await server.wait_for(lambda s: s.open_connections == 0)

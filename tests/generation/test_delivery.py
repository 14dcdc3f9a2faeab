"""Bringing in what is paid for: bytes, data URLs and links, through everything that can go wrong with them."""

import base64

import httpx
import pytest

from gateway.dialects import replies
from gateway.dialects.base import Image, Reply
from gateway.errors import UpstreamFailed
from gateway.generation.delivery import Delivery
from gateway.generation.pictures import NoPicture, Pictures
from gateway.generation.plan import Encoding
from gateway.telemetry.events import DownloadFinished, DownloadRetried, PictureLost
from gateway.telemetry.phases import Phases
from gateway.upstream.transport import AiohttpTransport
from tests.support.generation import Clock, Events, closing, downloader_for, drawn, generations_at, make, plan_for, row
from tests.support.misbehaving import answering, http_reply, misbehaving

PNG = drawn("PNG")
URL = "https://images.test/1.png?sig=a%2Fb"
AS_IT_IS = Encoding()


class Store:
    """An image host of given replies, one per request, the last one for ever: status, bytes or an exception."""

    def __init__(self, *replies):
        self._replies = list(replies)
        self.requests = []

    async def __call__(self, request):
        self.requests.append(request)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if callable(reply):
            reply = reply()
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):
            return reply
        status, body = (200, reply) if isinstance(reply, bytes) else (reply, b"<html>")
        return httpx.Response(status, content=body, headers={"content-type": "image/jpeg"})


class Bench:
    """A delivery before such a host, on a test's clock."""

    def __init__(self, *replies, patience_s=120, downloader=None):
        self.store = Store(*replies) if replies else None
        self.clock, self.events = Clock(), Events()
        self.pictures = Pictures(threads=1, max_pixels=1_000_000)
        self.delivery = Delivery(
            downloader or downloader_for([], httpx.MockTransport(self.store)),
            self.pictures,
            patience_s=patience_s,
            backoff_s=0.5,
            clock=self.clock,
            emit=self.events,
            sleep=self.clock.sleep,
        )

    async def receive(self, *images, encoding=AS_IT_IS):
        try:
            return await self.delivery.receive(list(images), encoding, Phases())
        finally:
            self.pictures.close()


async def test_bytes_need_no_download():
    """Inline pictures are delivered as they are, with their prompt and in their order."""
    bench = Bench()
    other = drawn("JPEG")
    received = await bench.receive(Image(data=PNG, revised_prompt="redder"), Image(data=other))
    assert [picture.data for picture in received] == [PNG, other]
    assert [picture.revised_prompt for picture in received] == ["redder", None]


@pytest.mark.parametrize(
    "item",
    [
        {"b64_json": base64.b64encode(PNG).decode()},
        {"url": f"data:image/jpeg;base64,{base64.b64encode(PNG).decode()}"},
        {"url": URL},
    ],
)
async def test_base64_data_url_and_url_bring_the_same_picture(item):
    """Whatever way upstream hands it over, and however it labels it, the picture is told from its bytes."""
    model = row("dall-e-3")
    bought = replies.read(model, Reply(200, httpx.Response(200, json={"output": [item]}).content))
    [picture] = await Bench(PNG).receive(*bought.images)
    assert (picture.data, picture.format) == (PNG, "png")


async def test_the_url_is_fetched_as_it_is_spelled_and_without_a_key():
    """A signed URL goes out byte for byte, with nothing that could identify us but the product's name."""
    bench = Bench(PNG)
    await bench.receive(Image(url=URL))
    [request] = bench.store.requests
    assert request.url.raw_path == b"/1.png?sig=a%2Fb"
    assert not {"authorization", "cookie", "referer"} & set(request.headers)


PASSING = [404, 429, 500, 502, 503, httpx.ConnectError("x"), httpx.ReadError("x"), httpx.ReadTimeout("x")]


@pytest.mark.parametrize("passing", PASSING, ids=str)
async def test_what_may_pass_is_tried_again(passing):
    """A link that is not there yet, a host that is busy, a broken connection: fetched again with growing pauses."""
    bench = Bench(passing, passing, passing, PNG)
    [picture] = await bench.receive(Image(url=URL))
    assert picture.data == PNG
    assert bench.clock.slept == [0.5, 1.0, 2.0]
    assert [event.reason for event in bench.events.of(DownloadFinished)] == ["ok"]
    assert len(bench.events.of(DownloadRetried)) == 3


async def test_patience_ends():
    """After the set patience the picture counts as lost: told with the reason, never bought again by us."""
    bench = Bench(503, patience_s=60)
    with pytest.raises(UpstreamFailed, match="HTTP status 503") as caught:
        await bench.receive(Image(url=URL))
    assert (caught.value.code, caught.value.should_retry) == ("download_failed", False)
    assert 50 <= bench.clock.now - 1_000 <= 60
    assert max(bench.clock.slept) <= 5
    assert [event.outcome for event in bench.events.of(PictureLost)] == ["download_failed"]
    assert [(event.reason, event.status) for event in bench.events.of(DownloadFinished)] == [("status", 503)]


@pytest.mark.parametrize("final", [400, 401, 403, 410])
async def test_what_cannot_pass_is_not_tried_again(final):
    """An expired or wrong link stays so."""
    bench = Bench(final)
    with pytest.raises(UpstreamFailed, match=f"HTTP status {final}"):
        await bench.receive(Image(url=URL))
    assert len(bench.store.requests) == 1


@pytest.mark.parametrize("url", ["http://images.test/1.png", "ftp://images.test/1.png", "https://u:p@images.test/", ""])
async def test_a_link_that_must_not_be_followed_is_not(url):
    """Plain http, other schemes, credentials in the link: nothing is fetched."""
    bench = Bench(PNG)
    with pytest.raises(UpstreamFailed):
        await bench.receive(Image(url=url))
    assert bench.store.requests == []


async def test_a_redirect_is_followed_to_the_picture():
    """Image hosts redirect to their CDN."""
    moved = httpx.Response(302, headers={"location": "https://cdn.test/2.png"})
    bench = Bench(moved, PNG)
    [picture] = await bench.receive(Image(url=URL))
    assert picture.data == PNG
    assert [str(request.url) for request in bench.store.requests] == [URL, "https://cdn.test/2.png"]


async def test_a_page_instead_of_the_picture_is_looked_at_thrice():
    """A host may show a page under status 200 for a moment; one that stays is no picture."""
    bench = Bench(b"<html>just a moment</html>", PNG)
    assert await bench.receive(Image(url=URL))
    lasting = Bench(b"<html>just a moment</html>")
    with pytest.raises(NoPicture):
        await lasting.receive(Image(url=URL))
    assert len(lasting.store.requests) == 3
    assert [event.reason for event in lasting.events.of(DownloadFinished)] == ["no_picture"]


async def test_a_picture_that_arrives_cut_off_is_fetched_again():
    """A reply without a length breaks off unnoticed by HTTP: the picture itself shows it."""
    whole = drawn("JPEG", size=(200, 200))
    bench = Bench(whole[:2000], whole)
    [picture] = await bench.receive(Image(url=URL))
    assert picture.data == whole


async def test_a_cut_off_picture_is_not_delivered():
    """Inline or from a link that stays short: half a picture is a failure, not a delivery."""
    whole = drawn("JPEG", size=(200, 200))
    for image in (Image(data=whole[:2000]), Image(url=URL)):
        with pytest.raises(NoPicture):
            await Bench(whole[:2000]).receive(image)


async def test_some_may_fail_as_long_as_one_comes_through():
    """Of three pictures two cannot be had: the third is delivered, the loss of the others is told."""
    bench = Bench(403)
    received = await bench.receive(Image(url=URL), Image(data=PNG), Image(data=b"nothing"))
    assert [picture.data for picture in received] == [PNG]
    assert sorted(event.outcome for event in bench.events.of(PictureLost)) == ["download_failed", "upstream_error"]


async def test_a_fault_of_our_own_is_told_and_spares_the_others():
    """An unexpected exception over one picture is reported with its traceback."""
    bench = Bench(PNG)
    received = await bench.receive(Image(data="no bytes at all"), Image(data=PNG))
    assert len(received) == 1
    [lost] = bench.events.of(PictureLost)
    assert (lost.outcome, type(lost.error)) == ("internal_error", TypeError)


async def test_no_images_at_all_is_a_failure():
    """A part that bought nothing says so."""
    with pytest.raises(UpstreamFailed, match="no picture"):
        await Bench(PNG).receive()


async def test_the_encoding_asked_for_is_applied():
    """What comes as PNG leaves as WebP if that was asked for."""
    [picture] = await Bench(PNG).receive(Image(url=URL), encoding=Encoding("webp", 80))
    assert picture.format == "webp"


async def test_over_a_real_socket_a_short_reply_is_fetched_again():
    """Half of the promised bytes, then all of them."""
    half = http_reply(headers={"Content-Length": str(len(PNG)), "Connection": "close"}, body=PNG[: len(PNG) // 2])
    whole = http_reply(body=PNG)

    async def cut(connection):
        await connection.read_request()
        await connection.send(half)

    async with misbehaving(cut, answering(whole)) as server:
        async with closing(downloader_for([server.url], AiohttpTransport(limit=2, keepalive_s=4))) as downloader:
            bench = Bench(downloader=downloader)
            [picture] = await bench.receive(Image(url=f"{server.url}/1.png"))
        assert picture.data == PNG
        assert len(bench.events.of(DownloadRetried)) == 1
        assert len(server.requests) == 2


DRILLS = ["download-404=2", "download-500=2", "download-reset=2", "download-truncated=2", "mislabelled"]


@pytest.mark.parametrize("model", ["V3", "flux-kontext-max"])
@pytest.mark.parametrize("drill", DRILLS)
async def test_every_download_drill_is_ridden_out(sandbox, valkey_url, model, drill):
    """One purchase, one picture, whatever happens to its download."""
    async with generations_at(sandbox, valkey_url) as worker:
        plan = plan_for(model, prompt=f"a fox [[sandbox:{drill}]]")
        outcome = await make(worker, plan)
    assert len(outcome.pictures) == 1
    assert (sandbox.stats().paid_calls, sandbox.stats().polling_url_calls) == (1, 0)


@pytest.mark.parametrize(("drill", "code"), [("url-life=-1", "download_failed"), ("not-an-image", "upstream_error")])
async def test_a_picture_that_cannot_be_had_is_not_bought_again(sandbox, valkey_url, drill, code):
    """An expired link, bytes that are no picture: 502 with its code, one purchase."""
    async with generations_at(sandbox, valkey_url) as worker:
        plan = plan_for("V3", prompt=f"a fox [[sandbox:{drill}]]")
        with pytest.raises(UpstreamFailed) as caught:
            await make(worker, plan)
    assert caught.value.code == code
    assert sandbox.stats().paid_calls == 1

"""Links are signed, exact, short-lived, and never take a key."""

import httpx
import pytest

from gateway.sandbox.server import RunningSandbox
from tests.support.sandbox_calls import KEY, buy


def _link(sandbox, prompt="a fox"):
    return buy(sandbox, "V3", prompt=prompt).json()["output"][0]["url"]


def _get(url, headers=None):
    # httpx normalises nothing that stands encoded; a raw target keeps it so.
    parsed = httpx.URL(url)
    assert parsed.raw_path.decode() == url.removeprefix(f"{parsed.scheme}://{parsed.netloc.decode()}")
    return httpx.get(parsed, headers=headers)


def test_a_link_downloads_as_given(sandbox):
    """The exact link gives the picture, again and again."""
    url = _link(sandbox)
    assert url.startswith(sandbox.base_url + "/files/")
    first, second = _get(url), _get(url)
    assert first.status_code == 200
    assert first.content == second.content
    assert sandbox.stats().downloads == 2


@pytest.mark.parametrize(("spelled", "rewritten"), [("%2F", "/"), ("%3D", "="), ("~", "%7E"), ("%2B", "+")])
def test_a_rewritten_link_is_refused(sandbox, spelled, rewritten):
    """A client that decodes or re-encodes a link breaks its signature."""
    url = _link(sandbox)
    assert spelled in url
    assert _get(url.replace(spelled, rewritten)).status_code == 403


def test_a_link_refuses_a_key(sandbox):
    """The bearer key on a download is a 400."""
    assert _get(_link(sandbox), KEY).status_code == 400


def test_a_link_expires():
    """A link dies at the end of its life, not before."""
    now = [1000.0]
    with RunningSandbox(clock=lambda: now[0]) as sandbox:
        url = _link(sandbox)
        now[0] += 599
        assert _get(url).status_code == 200
        now[0] += 1
        assert _get(url).status_code == 403


def test_a_drill_shortens_the_life(sandbox):
    """`url-life=0` gives a link that is dead already."""
    assert _get(_link(sandbox, "[[sandbox:url-life=0]]")).status_code == 403


@pytest.mark.parametrize(("drill", "status"), [("download-404", 404), ("download-500", 500)])
def test_downloads_fail_as_often_as_drilled(sandbox, drill, status):
    """Twice the failure, then the picture."""
    url = _link(sandbox, f"[[sandbox:{drill}=2]]")
    assert [_get(url).status_code for _ in range(3)] == [status, status, 200]


def test_each_picture_fails_on_its_own(sandbox):
    """A counted download drill counts per picture."""
    output = buy(sandbox, "irag-1.0", n=2, prompt="[[sandbox:download-404]]").json()["output"]
    assert [_get(one["url"]).status_code for one in output * 2] == [404, 404, 200, 200]


def test_a_truncated_download(sandbox):
    """The announced length is not kept once; then it is."""
    url = _link(sandbox, "[[sandbox:download-truncated]]")
    with pytest.raises(httpx.RemoteProtocolError):
        _get(url)
    assert _get(url).status_code == 200


def test_a_reset_download(sandbox):
    """The connection is reset once; then the picture comes."""
    url = _link(sandbox, "[[sandbox:download-reset]]")
    with pytest.raises(httpx.ReadError):
        _get(url)
    assert _get(url).status_code == 200


def test_a_picture_that_is_none(sandbox):
    """`not-an-image` serves HTML under an image's media type."""
    reply = _get(_link(sandbox, "[[sandbox:not-an-image]]"))
    assert reply.headers["content-type"] == "image/png"
    assert reply.content.startswith(b"<html>")


def test_a_mislabelled_picture(sandbox):
    """`mislabelled` serves a PNG as JPEG."""
    reply = _get(_link(sandbox, "[[sandbox:mislabelled]]"))
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.content.startswith(b"\x89PNG")

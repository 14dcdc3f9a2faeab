"""The public origin of re-hosted URLs."""

from types import SimpleNamespace

import pytest

from gateway.api.origin import PublicOrigin


def request(client="203.0.113.9", server="10.0.0.1", **headers):
    return SimpleNamespace(
        scope={"scheme": "http", "client": (client, 5), "server": (server, 8080)},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


FORWARDED = {"x_forwarded_proto": "https", "x_forwarded_host": "img.example, inner"}


@pytest.mark.parametrize(
    ("configured", "trusted", "asked", "expected"),
    [
        ("https://img.example/", [], request(host="other"), "https://img.example"),
        ("", [], request(host="gw.example:81"), "http://gw.example:81"),
        ("", [], request(host="gw.example", **FORWARDED), "http://gw.example"),
        ("", ["203.0.113.0/24"], request(host="gw.example", **FORWARDED), "https://img.example"),
        ("", ["203.0.113.0/24"], request(client="198.51.100.1", host="gw.example", **FORWARDED), "http://gw.example"),
        ("", [], request(), "http://10.0.0.1:8080"),
        ("", [], request(host='x"><script>'), "http://10.0.0.1:8080"),
        ("", [], request(host="[::1]:8080"), "http://[::1]:8080"),
        ("", [], request(host="a_b.example:65535"), "http://a_b.example:65535"),
        ("", [], request(server="::1"), "http://[::1]:8080"),
    ],
)
def test_origin(configured, trusted, asked, expected):
    """The configured origin wins; forwarded headers count from trusted proxies only; nonsense is not repeated."""
    assert expected == PublicOrigin(configured, trusted).of(asked)


@pytest.mark.parametrize(
    "host",
    [
        *("[::1", "::1]", "[::1]]", "[::1]x", "::1", "[]", "[:::]", "[1]", "[gw]"),
        *("a:b", "a:", "a:65536", "a:1:2", ":80", "a b", "a/b", "user@a", "a\nb", "\xe9", "\u0661"),
    ],
)
def test_a_host_that_no_url_can_hold_is_not_repeated(host):
    """What the client sent would make an image URL that nobody can open; the address that it reached makes one."""
    assert "http://10.0.0.1:8080" == PublicOrigin("", []).of(request(host=host))
    forwarded = request(client="203.0.113.9", host="gw.example", x_forwarded_host=host)
    assert "http://10.0.0.1:8080" == PublicOrigin("", ["203.0.113.9"]).of(forwarded)


@pytest.mark.parametrize(
    ("configured", "trusted", "asked", "expected"),
    [
        ("", [], request(host="gw.example"), False),
        ("", [], request(host="gw.example", **FORWARDED), False),
        ("", ["203.0.113.0/24"], request(host="gw.example", **FORWARDED), True),
        ("", ["203.0.113.0/24"], request(host="gw.example"), False),
        ("https://img.example", [], request(host="img.example"), True),
        ("https://img.example/sub", [], request(host="img.example"), True),
        ("https://img.example", [], request(host="10.0.0.1:8080"), False),
        ("http://img.example", [], request(host="img.example"), False),
    ],
)
def test_https_is_believed_of_a_trusted_proxy_and_of_the_configured_host(configured, trusted, asked, expected):
    assert expected == PublicOrigin(configured, trusted).is_https(asked)

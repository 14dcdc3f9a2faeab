"""The public origin of re-hosted URLs."""

from types import SimpleNamespace

import pytest

from gateway.api.origin import PublicOrigin


def request(client="203.0.113.9", **headers):
    return SimpleNamespace(
        scope={"scheme": "http", "client": (client, 5), "server": ("10.0.0.1", 8080)},
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
    ],
)
def test_origin(configured, trusted, asked, expected):
    """The configured origin wins; forwarded headers count from trusted proxies only; nonsense is not repeated."""
    assert expected == PublicOrigin(configured, trusted).of(asked)

import base64
import io

import pytest
from PIL import Image

from tests.support.gateway import RunningGateway, envelope, settings_for


@pytest.fixture
def open_gateway(sandbox, valkey_url):
    """Give a gateway whose operator allows thumbnails or does not, and a client with the admin key."""

    def make(*, show):
        return RunningGateway(
            settings_for(sandbox, valkey_url, server__admin_key="secret", server__show_thumbnails=show)
        )

    return make


def draw(gateway, prompt="a fox", headers=None):
    """Draw a picture; gives its generation and its bytes."""
    with gateway.http(gateway.key()) as http:
        answer = http.post("/v1/images/generations", json={"model": "V3", "prompt": prompt}, headers=headers)
        data = base64.b64decode(answer.json()["data"][0]["b64_json"])
        return answer.headers["x-gateway-generation-id"], data


def test_what_was_drawn_lately_can_be_seen_in_small(open_gateway):
    with open_gateway(show=True) as gateway, gateway.http("secret") as http:
        generation, full = draw(gateway)
        told = http.get("/admin/thumbnails", params={"team": "art"}).json()

        assert (True, [generation]) == (told["allowed"], [one["generation"] for one in told["data"]])
        small = http.get(told["data"][0]["url"])
        assert ("image/jpeg", "no-store") == (small.headers["content-type"], small.headers["cache-control"])
        assert len(small.content) < len(full)
        with Image.open(io.BytesIO(small.content)) as image:
            assert 192 == max(image.size)
        assert [] == http.get("/admin/thumbnails", params={"team": "ops"}).json()["data"]


def test_what_was_not_to_be_kept_cannot_be_seen(open_gateway):
    with open_gateway(show=True) as gateway, gateway.http("secret") as http:
        draw(gateway, headers={"cache-control": "no-store"})
        assert [] == http.get("/admin/thumbnails").json()["data"]


def test_nothing_can_be_seen_unless_the_operator_allows_it(open_gateway):
    """Not even by who knows the way."""
    with open_gateway(show=True) as gateway, gateway.http("secret") as http:
        draw(gateway)
        [entry] = http.get("/admin/thumbnails").json()["data"]
    with open_gateway(show=False) as gateway, gateway.http("secret") as http:
        assert {"allowed": False, "data": []} == http.get("/admin/thumbnails").json()
        assert envelope(http.get(entry["url"])) == (404, "invalid_request_error", "not_found", None)


def test_only_who_administers_sees_thumbnails(open_gateway):
    with open_gateway(show=True) as gateway:
        draw(gateway)
        with gateway.http("secret") as http:
            [entry] = http.get("/admin/thumbnails").json()["data"]
        with gateway.http(gateway.key()) as http:
            assert 401 == http.get(entry["url"]).status_code
            assert 401 == http.get("/admin/thumbnails").status_code

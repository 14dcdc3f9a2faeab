"""A gateway asked over plain HTTP, and what its answers tell of the cache."""

import httpx
import pytest

FOX = {"model": "V3", "prompt": "a fox"}


class Asker:
    """Asks a gateway for pictures over plain HTTP."""

    def __init__(self, http):
        self.http = http

    def __call__(self, body=FOX, timeout=30, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post("/v1/images/generations", json=body, headers=sent, timeout=timeout)

    def leaves(self, body=FOX, **headers):
        """Ask, and hang up before the picture can be there; returns when the gateway has noted it."""
        with pytest.raises(httpx.ReadTimeout):
            self(body, timeout=0.3, **headers)

    def sees(self, line):
        """Tell whether the gateway's metrics have a line that begins so."""
        return f"\n{line}" in self.http.get("/metrics").text


def picture(answer):
    """Take the only picture, in whatever form."""
    assert 200 == answer.status_code, answer.text
    (item,) = answer.json()["data"]
    return item.get("b64_json") or item["url"]


def told(answer):
    """Take what is told of the cache and the cost."""
    return answer.headers["x-gateway-cache"], answer.headers["x-gateway-cost-usd"]

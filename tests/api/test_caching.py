"""What a request says about replays."""

import pytest

BODY = {"model": "V3", "prompt": "a fox"}


@pytest.mark.parametrize("last", ["no-store", "no-cache", "max-age=0"])
def test_all_lines_of_cache_control_count(gateway, key, last):
    """As HTTP has it, a line that a proxy or an SDK adds takes nothing away from the next one."""
    with gateway.http(key) as http:
        http.post("/v1/images/generations", json=BODY)
        lines = [("cache-control", "max-age=600"), ("cache-control", last)]
        told = http.post("/v1/images/generations", json=BODY, headers=lines)

    assert told.headers["x-gateway-cache"] in {"bypass", "miss"}

"""The clock of this host against that of Redis."""

import re
import time

import pytest

from gateway.cli.checks.clock import check_clock
from gateway.cli.checks.primaries import Primary, primaries


def told(ahead_s, doubt_s=0.0):
    return Primary(info={}, save=None, ahead_s=ahead_s, doubt_s=doubt_s)


def test_one_clock_agrees_with_itself(found):
    """And the figure is told."""
    assert re.fullmatch(r"agrees with that of Redis to \d\.\d{3} s", found()("ok", "clock"))


@pytest.mark.parametrize(("off", "side"), [(5, "ahead of"), (-5, "behind")])
async def test_another_clock_is_told_with_its_side(redis_client, off, side):
    """Measured on a real server."""
    (server,) = await primaries(redis_client, lambda: time.time_ns() / 1e9 + off)
    finding = check_clock([server])
    assert finding.level == "warning"
    assert re.match(rf"of this host is [45]\.\d s {side} that of Redis", finding.told)


def test_what_goes_by_this_host_is_told_and_no_more():
    """Days and months are booked by Redis."""
    finding = check_clock([told(-5.0)])
    for what in ("image URLs and log-ins", "bought without Redis", "`today` in reports"):
        assert what in finding.told
    assert "usage" not in finding.told


async def test_half_of_the_round_trip_is_taken_off(redis_client):
    """Of a way of an hour there and back, so that no busy machine blurs it."""
    asked = time.time_ns() / 1e9 - 1800
    times = iter([asked, asked + 3600])

    (server,) = await primaries(redis_client, lambda: next(times))

    assert server.doubt_s == 1800
    assert abs(server.ahead_s) < 60


def test_a_slow_way_hides_a_small_difference():
    assert check_clock([told(3.0, doubt_s=2.5)]).level == "ok"
    assert check_clock([told(3.0, doubt_s=1.5)]).level == "warning"


def test_the_worst_primary_counts():
    assert check_clock([told(0.1), told(-4.0), told(2.0)]).told.startswith("of this host is 4.0 s ahead of")

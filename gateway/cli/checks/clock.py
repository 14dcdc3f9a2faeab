"""Whether this host's clock agrees with that of Redis.

Leases, quotas, and the days and months that usage is booked on go by Redis alone. This host's clock says when image
URLs and log-ins end, what `today` is in reports, when something was bought without Redis, and what time is in ids.
"""

from collections.abc import Sequence

from gateway.cli.checks.finding import Finding, ok, warning
from gateway.cli.checks.primaries import Primary

_MOST_S = 1.0


def check_clock(servers: Sequence[Primary]) -> Finding:
    """Judge the clock that is furthest from ours."""
    worst = max(servers, key=lambda server: abs(server.ahead_s))
    off = abs(worst.ahead_s)
    if off - worst.doubt_s <= _MOST_S:
        return ok("clock", f"agrees with that of Redis to {max(off, worst.doubt_s):.3f} s")
    side = "behind" if worst.ahead_s > 0 else "ahead of"
    return warning(
        "clock",
        f"of this host is {off:.1f} s {side} that of Redis, so that image URLs and log-ins end at another time than "
        "they should, what is bought without Redis is booked at another, and `today` in reports may be another day: "
        "let NTP set both",
    )

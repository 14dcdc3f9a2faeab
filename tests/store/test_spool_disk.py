"""Purchases made while Redis is away, written down before they are made."""

import contextlib
import resource

import pytest

from gateway.store.journal import Admission, PartReport
from gateway.store.spool import Spool
from tests.support.ledger import NOON, PRICE, unheard, untold


@contextlib.contextmanager
def full_disk():
    """Let no file of this process grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def admission(name):
    return Admission(name, "k1", "V3", name, 1, (1,), "{}", 0, estimate=PRICE)


async def test_what_no_line_allowed_to_buy_is_not_booked(team, tmp_path):
    """The disk is full and takes the line later, with another's: it was not bought, and is not charged."""
    spool = Spool(tmp_path, team.ledger, booked=unheard, now=lambda: NOON, emit=untold)
    spool.admit("art", admission("gen_a"))
    with full_disk(), pytest.raises(OSError, match="large"):
        await spool.mark("art", "gen_a", 1, 1, "sent")
    await spool.settle("art", "gen_a", 1, [PartReport(1, "dropped")])
    spool.admit("art", admission("gen_b"))
    await spool.mark("art", "gen_b", 1, 1, "sent")
    await spool.settle("art", "gen_b", 1, [PartReport(1, "delivered", 1, PRICE)])
    await spool.book()
    assert ((1, 0), (PRICE, 0)) == team.windows()

"""The record is bounded, and its totals are not."""

from gateway.sandbox.record import Record
from gateway.sandbox.wire import Request


def _request(path="/v1/models/ideogram/V3/predictions"):
    return Request("api", "POST", path, "", {"authorization": "Bearer sk-12345"}, b"")


def test_only_the_last_calls_are_kept():
    """10,000 calls at most; the totals count all."""
    record = Record()
    for number in range(10_005):
        call = record.open(_request(), float(number))
        call.model = "V3"
        record.bill(call, 1)
    assert len(record.calls) == 10_000
    assert record.calls[0].time == 5.0
    assert record.stats.images == 10_005


def test_of_a_key_only_the_end_is_kept():
    """Four characters."""
    assert Record().open(_request(), 0.0).key == "2345"


def test_records_share_no_totals():
    """A new record starts at nothing."""
    record = Record()
    record.bill(record.open(_request(), 0.0), 2)
    assert Record().stats.models == {}

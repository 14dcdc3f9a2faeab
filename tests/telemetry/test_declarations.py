"""Every metric is declared as Prometheus's conventions have it."""

import pytest

from gateway.telemetry.declarations import ALL


def test_names_are_unique():
    """One declaration each."""
    assert len({metric.name for metric in ALL}) == len(ALL) > 40


@pytest.mark.parametrize("metric", ALL, ids=[metric.name for metric in ALL])
def test_a_declaration_is_whole(metric):
    """A name by the conventions, one sentence, a unit; no label that a process or a request would multiply."""
    assert metric.name.startswith("gateway_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.what.endswith(".")
    assert ". " not in metric.what
    assert metric.unit
    assert not {"pid", "request_id", "key_id", "prompt"} & set(metric.labels)
    assert metric.merge is None or metric.kind == "gauge"
    if metric.unit == "seconds":
        assert metric.buckets[0] <= 0.0005
        assert metric.buckets[-1] >= 600

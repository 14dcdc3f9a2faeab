"""promtool, which judges what Prometheus is given to read, and what queries name."""

import os
import re
import shutil
import subprocess

import pytest

from gateway.telemetry.declarations import ALL

needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool") and "CI" not in os.environ, reason="needs promtool (Debian: prometheus)"
)

_OTHERS = {"up": {"job", "instance"}}  # Prometheus's own
_ALWAYS = {"job", "instance", "le"}
_PARTS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
LABELS = {metric.name + part: set(metric.labels) for metric in ALL for part in _PARTS[metric.kind]}
"""The labels of every series that the gateway exposes."""


def promtool(*arguments):
    """Run it; gives whether it was content, and what it said."""
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode == 0, done.stdout + done.stderr


def selectors(expression):
    """List what a query selects, as (name, its labels); raises AssertionError for a label that nothing has."""
    found = re.findall(r"\b((?:gateway_\w+)|up)\b(?:\{(.*?)\})?", expression)
    selected = [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))) for name, inside in found]
    grouped = set(re.split(r"\s*,\s*", ", ".join(re.findall(r"\bby \((.*?)\)", expression)))) - {""}
    there = set().union(*(LABELS.get(name, _OTHERS.get(name, set())) for name, _ in selected)) | _ALWAYS
    assert grouped <= there, f"{expression}: groups by {grouped - there}"
    return selected


def check_names(expression):
    """Check that a query names only metrics that are declared, by labels that they have."""
    for name, labels in selectors(expression):
        known = LABELS.get(name, _OTHERS.get(name))
        assert known is not None, f"{expression}: there is no {name}"
        assert labels <= known | _ALWAYS, f"{expression}: {name} has no {labels - known}"

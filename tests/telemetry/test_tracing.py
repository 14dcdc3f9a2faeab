"""Nothing of OpenTelemetry is imported, or waited for, unless somebody asks for traces."""

import json
import os
import subprocess
import sys

import pytest

from gateway.telemetry.tracing import is_wanted

COLLECTOR = "http://127.0.0.1:4318"

START = """
import sys
from gateway.app import create_app
from gateway.settings import load_settings
app = create_app(load_settings({"REDIS_URL": "unix:///nowhere"}))
ours = {"gateway.telemetry.otel", "opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk.trace.export"}
print(type(app).__name__, sorted(ours & set(sys.modules)))
"""
ABSENT = """
import os, sys
sys.modules["opentelemetry"] = None
from gateway.telemetry import log
from gateway.telemetry.tracing import begin
log.configure(level="info", format="json")
print(begin(os.environ))
"""


def run(script, **environ):
    """Run a script in a process of its own, without this one's variables of OpenTelemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", script], env=kept | environ, capture_output=True, text=True, check=True, timeout=60
    )


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{COLLECTOR}/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_a_collector_asks_for_traces(environ, wanted):
    """By the variables that every program with OpenTelemetry reads."""
    assert wanted == is_wanted(environ)


def test_without_a_collector_nothing_is_imported():
    """But what libraries import of it by themselves; and the application is what it was."""
    assert "Gateway []\n" == run(START).stdout


def test_without_the_extra_the_gateway_starts_and_says_so():
    """Pictures are worth more than traces."""
    done = run(ABSENT, OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR)

    assert "None\n" == done.stdout
    assert ["traces.unavailable"] == [json.loads(line)["event"] for line in done.stderr.splitlines()]

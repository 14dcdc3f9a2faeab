"""One trace for each request: its span, the generation's, and the phases in them."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gateway.telemetry.events import GenerationFinished, RequestFinished
from gateway.telemetry.otel import OtelTracing
from gateway.telemetry.phases import Lap, Phases
from tests.races.harness import Gateway, ask, client_of, mint
from tests.support.gateway import RunningGateway, settings_for
from tests.support.processes import until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PROMPT = "a vermilion zeppelin"
IMAGES = "/v1/images/generations"


class Spans:
    """What was traced in this process."""

    def __init__(self):
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def all(self):
        return self._exporter.get_finished_spans()

    def named(self, name):
        return [span for span in self.all if span.name == name]

    def below(self, parent):
        found = [span for span in self.all if span.parent and span.parent.span_id == parent.context.span_id]
        return {span.name: span for span in found}


@pytest.fixture
def spans():
    return Spans()


@pytest.fixture
def gateway(sandbox, valkey_url, spans):
    with RunningGateway(settings_for(sandbox, valkey_url), tracing=OtelTracing(spans.provider)) as running:
        yield running


def test_a_picture_is_one_trace(gateway, spans):
    """Request, generation and phases, each within what it belongs to, in time as well."""
    with gateway.http(gateway.key()) as http:
        answer = http.post(IMAGES, json={"model": "flux-kontext-pro", "prompt": PROMPT})

    [request] = until(lambda: spans.named(f"POST {IMAGES}"), "the request's span")  # it ends after its answer
    below = spans.below(request)
    assert {"admit", "generation"} == below.keys()
    phases = spans.below(below["generation"])
    assert {"queue", "upstream", "poll", "download", "store", "settle"} == phases.keys()
    assert request.kind is SpanKind.SERVER
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["gateway.request_id"] == answer.headers["x-request-id"]
    assert request.attributes["gateway.generation_id"] == below["generation"].attributes["gateway.generation_id"]
    apart = 500_000_000  # two clocks are read one after the other, on a machine that may be busy
    for parent, children in ((request, below), (below["generation"], phases)):
        for child in children.values():
            assert parent.start_time - apart <= child.start_time <= child.end_time <= parent.end_time + apart
    order = [phases[name].start_time for name in ("queue", "upstream", "poll", "download", "store", "settle")]
    assert sorted(order) == order


def test_a_clients_trace_goes_on(gateway, spans):
    """By W3C's `traceparent`; one that is none begins a trace of its own."""
    with gateway.http() as http:
        http.get("/healthz", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        http.get("/healthz", headers={"traceparent": "00-garbage"})

    theirs, ours = until(lambda: spans.named("GET /healthz")[1:] and spans.named("GET /healthz"), "both spans")
    assert (TRACE, PARENT) == (f"{theirs.context.trace_id:032x}", f"{theirs.parent.span_id:016x}")
    assert ours.parent is None
    assert ours.context.trace_id != theirs.context.trace_id


def test_failures_are_marked_and_quote_nothing(gateway, spans, sandbox):
    """A failure of ours or of upstream is an error, a request that is wrong is not; no span holds a client's text."""
    sandbox.drill("V3", "processed-then-reset")
    with gateway.http(gateway.key()) as http:
        assert http.post(IMAGES, json={"model": "V3", "prompt": PROMPT, "user": PROMPT}).status_code == 502
        assert http.post(IMAGES, json={"model": PROMPT, "prompt": PROMPT}).status_code == 404
        assert http.get(f"/{PROMPT}").status_code == 404

    until(lambda: spans.named("GET unrouted"), "the last span")
    lost, unknown = spans.named(f"POST {IMAGES}")
    assert (StatusCode.ERROR, "outcome_unknown") == (lost.status.status_code, lost.attributes["gateway.outcome"])
    assert StatusCode.UNSET is unknown.status.status_code
    assert [StatusCode.ERROR] == [span.status.status_code for span in spans.named("generation")]
    assert 1 == len(spans.named("GET unrouted"))
    assert "vermilion" not in "".join(span.to_json() for span in spans.all)


def test_laps_become_spans_at_their_time(spans):
    """The monotonic clock of the one is brought to the wall clock of the other; an adopted generation has its own trace."""
    tracing = OtelTracing(spans.provider, clock=lambda: 100.0, now_ns=lambda: 5_000 * 10**9)
    laps = [Lap("queue", 90.0, 91.0), Lap("upstream", 91.0, 99.5)]
    tracing(GenerationFinished("g", "art", "k", "V3", "delivered", 1, 1, None, 10.0, laps, adopted=True))

    [generation] = spans.named("generation")
    times = {name: (span.start_time / 1e9, span.end_time / 1e9) for name, span in spans.below(generation).items()}
    assert {"queue": (4990, 4991), "upstream": (4991, 4999.5)} == times
    assert (4990, 5000) == (generation.start_time / 1e9, generation.end_time / 1e9)
    assert generation.parent is None


def test_outside_of_a_request_nothing_is_made_of_one(spans):
    """What the server refuses before it is a request has no span to tell of."""
    phases = Phases()
    OtelTracing(spans.provider)(RequestFinished("req_1", "", "unrouted", 400, 0.0, {"phases": [phases]}))

    assert () == spans.all


@contextmanager
def collector():
    """Take in spans as a collector does; gives its URL and the requests that came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append((self.path, self.headers, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        server.server_close()


def test_a_whole_gateway_sends_its_traces(tmp_path, sandbox, valkey_url):
    """By the standard variables, with the last spans on its end; and its log names the trace."""
    _, key = mint(valkey_url)
    with collector() as (url, came):
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_SERVICE_NAME": "pictures",
            "OTEL_BSP_SCHEDULE_DELAY": "60000",
        }
        with Gateway(tmp_path / "gateway", sandbox, valkey_url, workers=1, **environ) as gateway:
            with client_of(gateway.url, key, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}) as client:
                assert ask(client, PROMPT, model="V3").pictures
            assert httpx.get(f"{gateway.url}/healthz", trust_env=False).status_code == 200
        until(lambda: came, "the spans")
        log = [json.loads(line) for line in gateway.log.splitlines() if line.startswith("{")]

    resources = [resource for _, _, request in came for resource in request.resource_spans]
    sent = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
    assert {"/v1/traces"} == {path for path, _, _ in came}
    assert {"pictures"} == {
        pair.value.string_value for r in resources for pair in r.resource.attributes if pair.key == "service.name"
    }
    assert {f"POST {IMAGES}", "generation", "upstream", "GET /healthz"} <= {span.name for span in sent}
    assert {"generation.finished", "request.finished"} <= {
        line["event"] for line in log if line.get("trace_id") == TRACE
    }
    assert b"vermilion" not in b"".join(request.SerializeToString() for _, _, request in came)

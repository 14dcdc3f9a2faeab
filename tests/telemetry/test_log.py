"""One JSON object per line, constant names, and never a prompt, a key, a signed URL or an image."""

import asyncio
import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import textwrap

import httpx
import msgspec
import pytest
import structlog

from gateway.errors import Unavailable
from gateway.store.keys import Keys
from gateway.telemetry.events import (
    BookingDelayed,
    CachingChanged,
    CircuitChanged,
    DownloadFinished,
    DownloadRetried,
    GenerationExpired,
    GenerationFinished,
    GenerationStarted,
    GenerationTaken,
    LeaseLost,
    PartFailed,
    PictureLost,
    PollFailed,
    RequestFinished,
    ServedWithoutStore,
    StoreCalled,
    StoreTroubled,
    SurplusDropped,
    UpstreamAnswered,
    UpstreamRetried,
    UpstreamUnanswered,
)
from gateway.telemetry.lines import LogListener
from tests.support.gateway import settings_for
from tests.support.generation import drawn
from tests.support.misbehaving import answering, http_reply, misbehaving
from tests.support.valkey import gateway_client

_HEAD = """
import asyncio, json, logging, sys, warnings
from gateway.telemetry import lines, log
from gateway.telemetry.events import *
from gateway.telemetry.phases import Lap, Phases
log.configure(level=sys.argv[1], format=sys.argv[2])
listener = lines.LogListener()
"""


def logged(script, level="info", form="json"):
    """Run a script in a process of its own with logs set up; gives what it wrote on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", _HEAD + textwrap.dedent(script), level, form],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == ""
    return done.stderr


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


EVENTS = [
    (RequestFinished("req_1", "POST", "/x", 200, 0.0123, {"model": "V3"}), "request.finished", "info"),
    (RequestFinished("req_1", "POST", "/x", 404, 0.1, {}), "request.finished", "info"),
    (RequestFinished("req_1", "POST", "/x", 502, 0.1, {}), "request.finished", "error"),
    (GenerationFinished("g", "art", "k", "V3", "delivered", 1, 1, 60_000, 1.0), "generation.finished", "info"),
    (
        GenerationFinished("g", "art", "k", "V3", "moderation_blocked", 1, 0, None, 1.0),
        "generation.finished",
        "warning",
    ),
    (GenerationFinished("g", "art", "k", "V3", "upstream_auth", 1, 0, None, 1.0), "generation.finished", "error"),
    (PartFailed("V3", "moderation_blocked"), "part.failed", "warning"),
    (PartFailed("V3", "internal_error", KeyError("x")), "part.failed", "error"),
    (PictureLost("download_failed"), "picture.lost", "error"),
    (SurplusDropped("V3", 2), "surplus.dropped", "warning"),
    (UpstreamAnswered("V3", 200, billable=True, seconds=1.0), "upstream.answered", "debug"),
    (UpstreamUnanswered("V3", "unanswered", "timeout"), "upstream.unanswered", "error"),
    (UpstreamRetried("V3", "upstream_unavailable"), "upstream.retried", "warning"),
    (PollFailed("V3", "reset"), "poll.failed", "warning"),
    (DownloadRetried("status", 404), "download.retried", "warning"),
    (GenerationTaken("g", "art", "V3", 2), "generation.taken", "warning"),
    (GenerationExpired("g", "art", "V3", "unknown"), "generation.expired", "warning"),
    (LeaseLost("g"), "lease.lost", "warning"),
    (BookingDelayed("g"), "booking.delayed", "warning"),
    (CachingChanged(caches=False), "caching.changed", "warning"),
    (CircuitChanged("V3", is_open=True), "circuit.changed", "warning"),
    (StoreTroubled("sweep", KeyError()), "chore.failed", "error"),
    (StoreTroubled("sweep", OSError()), "store.failed", "warning"),
    (StoreCalled("admit", 0.5, "timeout"), "store.failed", "warning"),
    (ServedWithoutStore("art", "V3"), "request.unbooked", "info"),
    (DownloadFinished("status", 1.0, 403), "download.failed", "error"),
]


@pytest.mark.parametrize(("event", "name", "level"), EVENTS)
def test_each_event_has_its_name_and_level(event, name, level):
    """A constant `noun.verb`, at the level of what it means."""
    with structlog.testing.capture_logs() as captured:
        LogListener()(event)
    [entry] = captured
    assert (entry["event"], entry["log_level"]) == (name, level)
    assert re.fullmatch(r"[a-z]+\.[a-z]+", name)


def test_a_store_that_is_away_is_told_once():
    """And again when it is back: in between nothing works, which the lines of requests tell."""
    with structlog.testing.capture_logs() as captured:
        listener = LogListener()
        for reason in ("", "timeout", "connection", "", ""):
            listener(StoreCalled("admit", 0.5, reason))
        listener(StoreTroubled("renew", OSError()))
    assert [(entry["event"], entry["log_level"]) for entry in captured] == [
        ("store.failed", "warning"),
        ("store.failed", "debug"),
        ("store.answered", "info"),
        ("store.failed", "warning"),
    ]


def test_each_server_goes_away_and_comes_back_by_itself():
    """That state answers says nothing of the blobs, and a chore that fails for want of Redis is no fault of its own."""
    refused = Unavailable("The store does not answer.", code="redis_unavailable")
    refused.__cause__ = OSError()
    with structlog.testing.capture_logs() as captured:
        listener = LogListener()
        for event in (
            StoreCalled("blob_get", 0.5, "timeout"),
            StoreCalled("admit", 0.5),
            StoreTroubled("measure", OSError()),
            StoreTroubled("sweep", refused),
            StoreCalled("admit", 0.5),
            StoreCalled("blob_put", 0.5),
        ):
            listener(event)
    assert [(entry["event"], entry.get("call"), entry["log_level"]) for entry in captured] == [
        ("store.failed", "blob_get", "warning"),
        ("store.failed", "measure", "debug"),
        ("store.failed", "sweep", "warning"),
        ("store.answered", "admit", "info"),
        ("store.answered", "blob_put", "info"),
    ]


def test_our_own_faults_are_told_at_the_level_of_errors():
    """With their traceback, whatever the level of the event without one."""
    told = lines(
        logged(
            """
            listener(PartFailed("V3", "internal_error", KeyError("x")))
            listener(PartFailed("V3", "moderation_blocked"))
            listener(RequestFinished("req_1", "POST", "/x", 200, 0.1, {}, KeyError("x")))
            """,
            level="error",
        )
    )
    assert [(line["event"], line["outcome"], line["exception"]) for line in told] == [
        ("part.failed", "internal_error", "builtins.KeyError"),
        ("request.finished", "internal_error", "builtins.KeyError"),
    ]


@pytest.mark.parametrize("event", [DownloadFinished("ok", 1.0), StoreCalled("admit", 0.5), GenerationStarted("V3")])
def test_what_goes_well_is_not_worth_a_line(event):
    """One line per request, and one per generation, is enough."""
    with structlog.testing.capture_logs() as captured:
        LogListener()(event)
    assert captured == []


def test_a_request_is_one_line_with_its_facts():
    """Id, route, status, time in ms, and what the handler added, as one JSON object."""
    [entry] = lines(
        logged("""
            phases = Phases()
            phases.lap("admit", 1.0, 1.0015)
            facts = {"model": "V3", "images": 2, "phases": [phases]}
            listener(RequestFinished("req_1", "POST", "/x", 200, 0.0123, facts))
        """)
    )
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "event": "request.finished", "level": "info", "request_id": "req_1", "method": "POST", "route": "/x",
        "status": 200, "outcome": "ok", "ms": 12.3, "model": "V3", "images": 2, "phases": {"admit": 1.5},
    }  # fmt: skip


def test_a_generation_is_one_line_with_its_phases():
    """Of parts that were made at the same time, the longest lap of each phase."""
    [entry] = lines(
        logged("""
            laps = [Lap("upstream", 1, 3), Lap("upstream", 1, 2), Lap("download", 3, 3.25)]
            listener(GenerationFinished("gen_1", "art", "k", "V3", "delivered", 2, 2, 60_000, 2.25, laps))
        """)
    )
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "event": "generation.finished", "level": "info", "generation_id": "gen_1", "team": "art", "key_id": "k",
        "model": "V3", "outcome": "delivered", "asked": 2, "delivered": 2, "cost_usd": 0.06, "ms": 2250.0,
        "phases": {"upstream": 2000.0, "download": 250.0},
    }  # fmt: skip


def test_an_error_within_a_stream_is_the_outcome():
    """Its status was 200 before it was known."""
    facts = '{"error_code": "outcome_unknown", "error_status": 502}'
    [entry] = lines(logged(f"""listener(RequestFinished("req_1", "POST", "/x", 200, 0.1, {facts}))"""))
    assert (entry["status"], entry["outcome"]) == (200, "outcome_unknown")
    assert not entry.keys() & {"error_code", "error_status"}


def test_what_happens_to_a_generation_bears_its_id():
    """Retries and failures within a generation's task can be found by the id that the client was given."""
    entries = lines(
        logged("""
            async def generation(name):
                log.tag(generation_id=name)
                await asyncio.sleep(0)
                listener(PollFailed("V3", name))
            async def main():
                await asyncio.gather(generation("gen_1"), generation("gen_2"))
                listener(PollFailed("V3", "none"))
            asyncio.run(main())
        """)
    )
    assert [(e["reason"], e.get("generation_id")) for e in entries] == [
        ("gen_1", "gen_1"),
        ("gen_2", "gen_2"),
        ("none", None),
    ]


@pytest.mark.parametrize(("level", "names"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_bounds_what_is_written(level, names):
    """Nothing below the set level."""
    script = """
        listener(UpstreamAnswered("V3", 200, True, 1.0))
        listener(RequestFinished("req_1", "GET", "/x", 200, 0.1, {}))
        listener(PollFailed("V3", "reset"))
    """
    assert len(lines(logged(script, level))) == names


FAULT = """
    def inner(prompt):
        api_key = "sk-aihubmix-topsecret"
        raise KeyError("a PROMPT, " + api_key + " https://x.test/?sig=SECRET")
    def outer():
        try:
            inner("a PROMPT")
        except KeyError as error:
            raise ValueError("wrapped PROMPT") from error
    try:
        outer()
    except ValueError as error:
        fault = error
"""
WAYS = {
    "event": 'listener(RequestFinished("r", "POST", "/x", 500, 0.1, {}, fault))',
    "part": 'listener(PartFailed("V3", "internal_error", fault))',
    "foreign": 'logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n", exc_info=fault)',
    "asyncio": (
        "async def main():\n"
        "        asyncio.get_running_loop().call_exception_handler({'message': 'never retrieved', 'exception': fault})\n"
        "    asyncio.run(main())"
    ),
}


@pytest.mark.parametrize("form", ["json", "pretty"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_fault_is_told_by_types_and_places_not_by_its_words(way, form):
    """The whole chain of exceptions with files and lines; but no message and no local variable, which quote secrets."""
    written = logged(FAULT + "\n    " + way, "debug", form)
    for told in ("ValueError", "KeyError", "in outer", "in inner", "<string>:"):
        assert told in written
    for secret in ("PROMPT", "topsecret", "SECRET"):
        assert secret not in written
    if form == "json":
        assert len(lines(written)) == 1


def test_the_systems_own_words_are_kept():
    """Why a file or socket failed is said by the system, and quotes nobody."""
    script = """
        try:
            open("/nowhere/PROMPT")
        except OSError as error:
            listener(PartFailed("V3", "internal_error", error))
    """
    [entry] = lines(logged(script))
    assert "builtins.FileNotFoundError: No such file or directory" in entry["exception"]
    assert "PROMPT" not in entry["exception"]


def test_a_library_that_quotes_an_exception_is_cut_to_its_first_line():
    """The event loop names the exception of a lost task, words included, on its second line."""
    script = """
        import gc
        async def task():
            raise KeyError("PROMPT")
        async def main():
            asyncio.ensure_future(task())
            await asyncio.sleep(0.01)
            gc.collect()
        asyncio.run(main())
    """
    written = logged(script)
    assert [entry["event"] for entry in lines(written)] == ["Task exception was never retrieved"]
    assert "PROMPT" not in written


def test_libraries_log_as_json_too_and_only_what_matters():
    """A library's warning is a line like ours; its chatter, which names URLs, is not written at any level."""
    script = """
        logging.getLogger("httpx").info("HTTP Request: GET https://x.test/?sig=SECRET")
        logging.getLogger("httpx").debug("more")
        logging.getLogger("aiohttp").warning("careful: %s", "now")
        warnings.warn("an old way")
    """
    entries = lines(logged(script, "debug"))
    assert entries[0]["event"] == "careful: now"
    assert entries[0]["level"] == "warning"
    assert "an old way" in entries[1]["event"]
    assert len(entries) == 2


def test_the_framework_leaves_the_logs_alone():
    """Building the application changes nothing about where and how is logged."""
    script = """
        from gateway.app import create_app
        from gateway.settings import load_settings
        create_app(load_settings({}, {"redis.url": "redis://127.0.0.1:1", "upstream.api_key": "x"}))
        logging.getLogger("litestar").info("chatter")
        logging.getLogger("litestar").warning("careful")
    """
    assert [entry["event"] for entry in lines(logged(script, "debug"))] == ["careful"]


def test_pretty_is_for_people():
    """On a terminal: readable, with the same facts."""
    written = logged("""listener(PollFailed("V3", "reset"))""", form="pretty")
    assert "poll.failed" in written
    assert not written.lstrip().startswith("{")


def test_auto_is_json_where_nobody_looks():
    """Standard error is no terminal here."""
    assert lines(logged("""listener(PollFailed("V3", "reset"))""", form="auto"))


class Full:
    """A stream on a full disk."""

    def write(self, _):
        raise OSError(28, "No space left on device")

    flush = write


@pytest.mark.parametrize("stream", [Full(), io.StringIO()])
def test_a_log_that_cannot_be_written_costs_nobody_a_picture(stream):
    """A full disk or a closed stream: the line is lost, and nothing is raised into the work that it tells of."""
    if isinstance(stream, io.StringIO):
        stream.close()
    logger = structlog.wrap_logger(structlog.WriteLogger(stream), processors=[structlog.processors.JSONRenderer()])
    LogListener(logger)(GenerationFinished("g", "art", "k", "V3", "delivered", 1, 1, 60_000, 1.0))


_SERVE = """
import socket, sys, msgspec
from gateway.app import create_app
from gateway.settings import Settings
from gateway.worker import run
settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
run(settings, create_app, int(sys.argv[1]), int(sys.argv[2]))
"""


async def minted(valkey_url):
    """Mint an API key."""
    async with gateway_client(valkey_url) as redis:
        return (await Keys(redis).create("art")).secret


class LoggingGateway:
    """A gateway process whose log is kept; `written` is complete once it has ended."""

    def __init__(self, settings, directory):
        self._log = directory / "log"
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        read_end, write_end = os.pipe()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, str(self._socket.fileno()), str(write_end)],
                pass_fds=(self._socket.fileno(), write_end),
                stdin=subprocess.PIPE,
                stderr=log,
            )
        os.close(write_end)
        self._process.stdin.write(msgspec.json.encode(settings) + b"\n")
        self._process.stdin.flush()
        with os.fdopen(read_end, "rb") as pipe:
            assert pipe.read() == b"ready"

    def stop(self):
        """End it and return all that it wrote."""
        self._process.terminate()
        self._process.wait(30)
        self._process.stdin.close()
        self._socket.close()
        return self._log.read_text()


PROMPT = "a vermilion zeppelin over Ulaanbaatar"
SECRETS = ["vermilion", "zeppelin", "Ulaanbaatar"]
ECHO = {"error": {"message": f"I cannot draw '{PROMPT}' for key sk-aihubmix-echoed", "code": "whatever"}}
DRILLS = [
    "moderated", "moderated-output", "http-401", "http-403", "http-500", "http-502", "error-200", "reset", "garbage",
    "wrong-shape", "not-an-image", "half-body", "processed-then-reset", "url-life=-1", "fewer=1", "no-such-drill",
]  # fmt: skip


def test_nothing_secret_is_ever_logged(sandbox, valkey_url, tmp_path):
    """Good and bad requests at debug level: no prompt, key, signature or image byte, whichever way it goes wrong."""
    settings = settings_for(sandbox, valkey_url, log__level="debug", log__format="json", upstream__attempts=1)
    key = asyncio.run(minted(valkey_url))
    gateway = LoggingGateway(settings, tmp_path)
    secrets = [*SECRETS, key, key.rpartition("-")[2], sandbox.api_key, "sk-aihubmix", "hunter2"]
    inline = base64.b64encode(drawn("PNG", size=(64, 64))).decode()
    secrets.append(inline[40:120])
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        bearer = {"authorization": f"Bearer {key}"}

        def ask(model="dall-e-3", headers=bearer, **fields):
            body = {"model": model, "prompt": PROMPT} | fields
            return http.post("/v1/images/generations", json=body, headers=headers)

        for form in ("b64_json", "url"):
            [item] = ask(response_format=form).json()["data"]
            if form == "b64_json":
                secrets += [item["b64_json"][100:160], item["b64_json"][-60:-10]]
            else:
                secrets.append(item["url"].partition("signature=")[2])
                assert http.get(item["url"]).status_code == 200
                assert http.get(item["url"][:-1]).status_code == 404
        assert ask("flux-kontext-max", image=inline).status_code == 200
        for drill in DRILLS:
            for model in ("dall-e-3", "flux-kontext-pro", "imagen-4.0-generate-001"):
                ask(model, prompt=f"{PROMPT} [[sandbox:{drill}]]", n=2)
        ask(user="hunter2", size=PROMPT)
        ask(model=PROMPT)
        ask(headers={"authorization": "Bearer sk-gw-hunter2"})
        ask(headers=bearer | {"x-custom": "hunter2"}, n=11)
        for bad in (f'{{"prompt": "{PROMPT}', f'"{PROMPT}"', f'{{"prompt": "{PROMPT}\\ud800"}}', f"{PROMPT}\xff"):
            http.post("/v1/images/generations", content=bad.encode("latin-1"), headers=bearer)
        http.get(f"/{PROMPT}", params={"api_key": key})
    written = gateway.stop()
    assert len([e for e in lines(written) if e["event"] == "request.finished"]) > 50
    assert {"generation.finished", "upstream.answered", "part.failed"} <= {e["event"] for e in lines(written)}
    made = [e for e in lines(written) if e["event"] == "generation.finished"]
    asked = {e["request_id"]: e for e in lines(written) if e["event"] == "request.finished"}
    assert {asked[e["request_id"]]["model"] == e["model"] for e in made} == {True}
    delivered = next(e for e in made if e["outcome"] == "delivered")
    assert {"queue", "upstream", "download", "store", "settle"} <= delivered["phases"].keys()
    assert delivered["phases"].items() <= asked[delivered["request_id"]]["phases"].items()
    for secret in secrets:
        assert secret not in written, f"{secret[:8]}... stands in the log"
    assert not re.search(r"https?://|[?&]sig|[A-Za-z0-9+/]{80,}", written)


async def test_an_upstream_that_echoes_the_prompt_is_not_quoted(sandbox, valkey_url, tmp_path):
    """Upstream's error repeats prompt and key: the client reads its words without the key, the log has neither."""
    key = await minted(valkey_url)
    async with misbehaving(answering(http_reply(400, body=json.dumps(ECHO).encode()))) as upstream:
        settings = settings_for(
            sandbox, valkey_url, upstream__base_url=upstream.url, log__level="debug", log__format="json"
        )
        gateway = LoggingGateway(settings, tmp_path)
        answer = await asyncio.to_thread(
            httpx.post,
            f"{gateway.url}/v1/images/generations",
            json={"model": "dall-e-3", "prompt": PROMPT},
            headers={"authorization": f"Bearer {key}"},
            trust_env=False,
        )
        written = gateway.stop()
    assert answer.status_code == 400
    assert "sk-aihubmix" not in answer.text
    assert "generation.finished" in written
    for secret in [*SECRETS, "sk-aihubmix-echoed"]:
        assert secret not in written

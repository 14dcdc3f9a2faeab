"""Buying one part: what is repeated and what never is, polling, deadlines, and where the key goes."""

import httpx
import pytest

from gateway.dialects import DIALECTS
from gateway.dialects.base import Call, Image, Result, Task, Wait
from gateway.errors import InvalidRequest, Moderated, NotFound, OutcomeUnknown, Unavailable, UpstreamFailed
from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from gateway.telemetry.events import PollFailed, UpstreamAnswered, UpstreamRetried, UpstreamUnanswered
from gateway.upstream.transport import AiohttpTransport
from tests.support.generation import Clock, Events, closing, driver_for, row, upstream_at
from tests.support.misbehaving import (
    answering,
    closed_port,
    http_reply,
    misbehaving,
    read_then_silence,
    reset_after_body,
)

MODEL = row("dall-e-3")
FLUX = row("flux-kontext-max")
PICTURE = {"output": [{"url": "https://images.test/1.png"}]}
TASK = {"output": [{"taskId": "t.1"}]}
BUY = {"prompt": "a red fox"}


class Script:
    """An upstream of given replies: (status, JSON, headers), an exception to raise, or a function to call first."""

    def __init__(self, *replies):
        self._replies = list(replies)
        self.requests = []

    async def __call__(self, request):
        self.requests.append(request)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if callable(reply) and not isinstance(reply, type):
            reply = reply()
        if isinstance(reply, Exception):
            raise reply
        status, body, headers = (*reply, {}) if len(reply) == 2 else reply
        return httpx.Response(status, json=body, headers=headers)

    def driver(self, clock, emit=lambda _: None, **changes):
        upstream = upstream_at("https://api.test", "https://tasks.test", httpx.MockTransport(self))
        return driver_for(upstream, clock, emit, **changes)

    @property
    def bought(self):
        return [request for request in self.requests if request.method == "POST"]

    @property
    def polls(self):
        return [request for request in self.requests if request.method == "GET"]


def ready(url="https://images.test/1.png"):
    return (200, {"status": "Ready", "result": {"sample": url}})


class Patient:
    """An upstream that notes how long each poll may take."""

    def __init__(self, upstream):
        self._upstream = upstream
        self.polls_s = []

    async def request(self, method, *call, timeout_s, **more):
        if method == "GET":
            self.polls_s.append(timeout_s)
        return await self._upstream.request(method, *call, timeout_s=timeout_s, **more)


class OpenGate:
    """Lets everything through, and keeps what it was told."""

    def __init__(self, refusing=None):
        self.steps = []
        self._refusing = refusing

    async def sending(self):
        self.steps.append("sending")
        if self._refusing:
            raise self._refusing

    async def refused(self):
        self.steps.append("refused")

    async def accepted(self, task):
        self.steps.append(f"accepted {task}")


async def run(script, clock=None, model=MODEL, emit=lambda _: None, gate=None, **changes):
    driver = script.driver(clock or Clock(), emit, **changes)
    return await driver.run(DIALECTS[model.dialect], model, BUY, gate or OpenGate())


async def test_one_call_buys_and_returns_the_pictures():
    """A synchronous model is one call to the API origin, with the key, as JSON."""
    script = Script((200, PICTURE))
    assert await run(script) == Result([Image(url="https://images.test/1.png")])
    [request] = script.requests
    assert str(request.url) == "https://api.test/v1/models/opanai/dall-e-3/predictions"
    assert request.headers["authorization"] == "Bearer sk-sandbox-0000"
    assert request.read() == b'{"input":{"prompt":"a red fox"}}'


@pytest.mark.parametrize(
    "lost", [httpx.ReadTimeout("t"), httpx.ReadError("reset"), httpx.RemoteProtocolError("p"), RuntimeError("odd")]
)
async def test_a_call_without_an_answer_is_never_repeated(lost):
    """What may have been accepted goes out once, and its outcome is unknown: no SDK is invited to repeat it."""
    script, events = Script(lost), Events()
    with pytest.raises(OutcomeUnknown) as caught:
        await run(script, emit=events)
    assert len(script.bought) == 1
    assert caught.value.should_retry is False
    assert [event.verdict for event in events.of(UpstreamUnanswered)] == ["unanswered"]
    assert "Cache-Control: no-cache" in caught.value.message


@pytest.mark.parametrize("status", [408, 500, 502, 504, 520, 524])
async def test_a_status_that_leaves_acceptance_open_is_never_repeated(status):
    """A proxy that gave up, or a crash, does not say that nothing was made."""
    script = Script((status, {"error": {"message": "bad gateway"}}))
    with pytest.raises((OutcomeUnknown, UpstreamFailed)) as caught:
        await run(script)
    assert len(script.bought) == 1
    assert caught.value.should_retry is False


@pytest.mark.parametrize("status", [200, 202, 400, 500, 502])
async def test_no_words_make_up_for_the_wrong_status(status):
    """Even where a dialect takes a reply for a refusal, only 429 and 503 are repeated: the rest may be accepted."""

    class Trusting:
        @staticmethod
        def submit(_model, payload):
            yield Call("/buy", payload, billable=True)
            raise Unavailable("it looks like a refusal")

    script = Script((status, {}))
    with pytest.raises(Unavailable):
        await script.driver(Clock()).run(Trusting, MODEL, {}, OpenGate())
    assert len(script.bought) == 1


async def test_an_error_inside_a_success_is_never_repeated():
    """Status 200 with a rate limit in its body does not prove that nothing was bought: it is not sent again."""
    script = Script((200, {"error": {"message": "rate limit reached", "code": 429}}))
    with pytest.raises((Unavailable, UpstreamFailed)):
        await run(script)
    assert len(script.bought) == 1


@pytest.mark.parametrize("failure", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
async def test_what_was_never_sent_is_tried_again_with_growing_pauses(failure):
    """A call that never left is repeated after 0.5, 1, 2 s; the pauses are the setting's, and double."""
    script, clock, events = Script(failure, failure, failure, (200, PICTURE)), Clock(), Events()
    assert (await run(script, clock, emit=events)).images
    assert clock.slept == [0.5, 1.0, 2.0]
    assert len(events.of(UpstreamRetried)) == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_before_acceptance_is_tried_again(status):
    """429 and 503 were refused before acceptance."""
    script = Script((status, {"error": {"message": "overloaded, try later"}}), (200, PICTURE))
    assert (await run(script)).images
    assert len(script.bought) == 2


async def test_attempts_bound_the_repetition():
    """After the last attempt the client gets 503 with a time to come back."""
    script, clock = Script((503, {"error": {"message": "overloaded"}})), Clock()
    with pytest.raises(Unavailable) as caught:
        await run(script, clock, attempts=3)
    assert len(script.bought) == 3
    assert clock.slept == [0.5, 1.0]
    assert caught.value.should_retry is True
    assert caught.value.retry_after >= 1


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
async def test_upstreams_retry_after_is_never_undercut(chance):
    """However the dice fall, the pause is at least what upstream asks for."""
    script, clock = Script((429, {"error": {"message": "slow"}}, {"retry-after": "7"}), (200, PICTURE)), Clock()
    await run(script, clock, jitter=0.5, random=lambda: chance)
    assert clock.slept[0] >= 7


@pytest.mark.parametrize("header", ["21", "60", "3600", "inf"])
async def test_a_long_retry_after_is_left_to_the_client(header):
    """Upstream that wants minutes of rest is not waited for: 503 with its own word, at most 60 s."""
    script, clock = Script((429, {"error": {"message": "slow"}}, {"retry-after": header})), Clock()
    with pytest.raises(Unavailable) as caught:
        await run(script, clock)
    assert clock.slept == []
    assert caught.value.retry_after == min(float(header), 60.0)


@pytest.mark.parametrize("header", ["nan", "-3", "soon", "", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_a_meaningless_retry_after_counts_as_absent(header):
    """Only a number of seconds above zero is followed."""
    script, clock = Script((429, {"error": {"message": "slow"}}, {"retry-after": header}), (200, PICTURE)), Clock()
    await run(script, clock)
    assert clock.slept == [0.5]


async def test_no_paid_call_starts_with_too_little_time_for_its_answer():
    """With less than half of the model's limit left, a refusal ends the matter: a late call would be cut off."""
    clock = Clock()

    def slow_refusal():
        clock.now += 60
        return (503, {"error": {"message": "overloaded"}})

    script = Script(slow_refusal)
    with pytest.raises(Unavailable):
        await run(script, clock, model=row("dall-e-3", time_limit_s=180), attempts=10)
    assert len(script.bought) == 2


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (503, "model name wrong, no available channel for model dall-e-3"),
        (400, "Incorrect model ID. Please request to view the model page"),
        (404, "not found"),
    ],
)
async def test_an_unknown_model_is_not_tried_again(status, said):
    """Upstream's 503 also means that it has no such model: that one will not pass."""
    script = Script((status, {"error": {"message": said}}))
    with pytest.raises(NotFound):
        await run(script)
    assert len(script.bought) == 1


async def test_jitter_spreads_the_pauses_both_ways():
    """Pauses stray by the fraction that is set, up and down."""
    for chance, expected in ((0.0, 0.4), (0.5, 0.5), (1.0, 0.6)):
        script, clock = Script(httpx.ConnectError("x"), (200, PICTURE)), Clock()
        await run(script, clock, jitter=0.2, random=lambda value=chance: value)
        assert clock.slept == [pytest.approx(expected)]


async def test_a_task_is_submitted_once_and_polled_at_the_tasks_origin():
    """Submit goes to one origin, polls go to the other; the id is percent-encoded as one segment."""
    script = Script((200, {"output": [{"taskId": "a.b/c d?e"}]}), (200, {"status": "Pending"}), ready())
    result = await run(script, model=FLUX)
    assert result.images == [Image(url="https://images.test/1.png")]
    assert [str(request.url) for request in script.polls] == ["https://tasks.test/v1/tasks/a.b%2Fc%20d%3Fe"] * 2
    assert len(script.bought) == 1


FAILED_POLLS = {
    "reset": httpx.ReadError("x"),
    "connect": httpx.ConnectError("x"),
    "timeout": httpx.ReadTimeout("x"),
    "500": (500, {}),
    "502": (502, {}),
    "429": (429, {}, {"retry-after": "3"}),
    "401": (401, {"error": {"message": "invalid token"}}),
    "302": (302, {}, {"location": "https://elsewhere.test/"}),
    "garbage": (200, "<html>"),
    "list": (200, []),
    "odd status": (200, {"status": "Dreaming"}),
}


@pytest.mark.parametrize("failed", FAILED_POLLS.values(), ids=FAILED_POLLS)
async def test_failed_polls_are_ridden_out(failed):
    """A poll that fails, however, is polled again and never buys again."""
    script = Script((200, TASK), failed, failed, failed, ready())
    assert (await run(script, model=FLUX)).images
    assert len(script.bought) == 1
    assert {request.url.host for request in script.requests} == {"api.test", "tasks.test"}


async def test_a_rate_limited_poll_waits_as_long_as_it_is_told():
    """A poll's retry-after is a lower bound, too."""
    script, clock = Script((200, TASK), (429, {}, {"retry-after": "3"}), ready()), Clock()
    await run(script, clock, model=FLUX, jitter=0.5, random=lambda: 0.0)
    assert clock.slept[1] >= 3


async def test_polls_that_keep_failing_are_repeated_at_a_bounded_pace():
    """However long polls fail, the next one is at most 5 s away, so that a finished picture does not lie waiting."""
    script, clock, events = Script((200, TASK), *[(500, {})] * 12, ready()), Clock(), Events()
    await run(script, clock, model=FLUX, emit=events)
    assert max(clock.slept) <= 5
    assert len(events.of(PollFailed)) == 12


@pytest.mark.parametrize("failed", [(500, {}), httpx.ReadError("x"), (200, {"status": "Pending"})])
async def test_a_task_that_outlasts_its_model_is_unknown(failed):
    """At the limit the task is looked at one last time and then given up: unknown, submitted once."""
    script, clock, events = Script((200, TASK), failed), Clock(), Events()
    with pytest.raises(OutcomeUnknown) as caught:
        await run(script, clock, model=row("flux-kontext-max", time_limit_s=30), emit=events)
    assert clock.now == pytest.approx(1_030)
    assert len(script.bought) == 1
    assert "30 s" in caught.value.message


async def test_the_last_look_at_the_deadline_still_brings_the_picture():
    """A task that is ready just at the limit is not lost: the poll there has all the time of a poll."""
    clock = Clock()
    script = Script((200, TASK), lambda: ready() if clock.now >= 1_030 else (200, {"status": "Pending"}))
    upstream = Patient(upstream_at("https://api.test", "https://tasks.test", httpx.MockTransport(script)))
    model = row("flux-kontext-max", time_limit_s=30)
    assert (await driver_for(upstream, clock).run(DIALECTS[model.dialect], model, BUY, OpenGate())).images
    assert min(upstream.polls_s) >= 5


async def test_a_404_goes_to_the_dialect():
    """Not found may mean "not yet": the dialect, not the driver, decides how long to believe in it."""
    late = Script((200, TASK), (404, {}), (404, {}), ready())
    assert (await run(late, model=FLUX)).images
    gone = Script((200, TASK), (404, {}))
    with pytest.raises(OutcomeUnknown, match="no longer knew it"):
        await run(gone, model=FLUX)
    assert len(gone.bought) == 1


async def test_a_scripted_dialect_gets_every_reply_in_turn():
    """Waits are slept, free calls are asked, and what the generator returns is the result."""

    class Dialect:
        @staticmethod
        def submit(_model, payload):
            reply = yield Call("/buy", payload, billable=True)
            assert reply.status == 201
            yield Wait(2)
            reply = yield Call("/look", method="GET", origin="tasks")
            return Task(reply.json["id"])

        @staticmethod
        def collect(_model, task):
            yield Wait(3)
            return Result([Image(url=task)])

    script, clock, events = Script((201, {}), (200, {"id": "x"})), Clock(), Events()
    result = await script.driver(clock, events).run(Dialect, MODEL, {"a": 1}, OpenGate())
    assert result == Result([Image(url="x")])
    assert clock.slept == [2, 3]
    assert [(event.status, event.billable) for event in events.of(UpstreamAnswered)] == [(201, True), (200, False)]


async def test_each_step_of_a_purchase_is_told_to_the_gate():
    """Before each billable call, after each refusal, and with the task as soon as there is one."""
    script, gate = (
        Script((429, {"error": {"message": "slow"}}), httpx.ConnectError("x"), (200, TASK), ready()),
        OpenGate(),
    )
    assert (await run(script, model=FLUX, gate=gate)).images
    assert gate.steps == ["sending", "refused", "sending", "refused", "sending", "accepted t.1"]


async def test_the_last_refusal_is_not_told_to_the_gate():
    """Whoever called ends the part itself: a write in between would only be lost on the way."""
    script, gate = Script((503, {"error": {"message": "overloaded"}})), OpenGate()
    with pytest.raises(Unavailable):
        await run(script, gate=gate, attempts=2)
    assert gate.steps == ["sending", "refused", "sending"]


async def test_a_gate_that_stays_shut_sends_nothing():
    """What the gate raises is raised, and no call goes out."""
    script = Script((200, PICTURE))
    with pytest.raises(Unavailable, match="shut"):
        await run(script, gate=OpenGate(refusing=Unavailable("the gate is shut")))
    assert script.requests == []


async def test_another_workers_task_is_collected_without_a_submit():
    """Only polls go out, for as long as the caller says."""
    script, clock = Script(ready()), Clock()
    result = await script.driver(clock).collect(DIALECTS["flux"], FLUX, "t.9", 60)
    assert result.images == [Image(url="https://images.test/1.png")]
    assert [str(request.url) for request in script.requests] == ["https://tasks.test/v1/tasks/t.9"]

    stuck, late = Script((200, {"status": "Pending"})), Clock()
    with pytest.raises(OutcomeUnknown):
        await stuck.driver(late).collect(DIALECTS["flux"], FLUX, "t.9", 60)
    assert (1_060, []) == (pytest.approx(late.now), stuck.bought)


async def over_a_socket(url, clock, **changes):
    """Buy from a real socket with the real transport."""
    async with closing(upstream_at(url, url, AiohttpTransport(limit=4, keepalive_s=4))) as upstream:
        model = row("dall-e-3", time_limit_s=changes.pop("time_limit_s", 20))
        return await driver_for(upstream, clock, **changes).run(DIALECTS["openai"], model, BUY, OpenGate())


@pytest.mark.parametrize("behaviour", [reset_after_body, read_then_silence])
async def test_on_a_real_socket_a_lost_answer_is_not_sent_for_again(behaviour):
    """A reset or silence after the request was read: exactly one request ever arrives."""
    async with misbehaving(behaviour) as server:
        with pytest.raises(OutcomeUnknown):
            await over_a_socket(server.url, Clock(), time_limit_s=0.3)
        assert len(server.requests) == 1


async def test_on_a_real_socket_a_refused_call_is_repeated():
    """Two 503 and then a picture: three requests, one purchase."""
    busy, sold = (
        http_reply(503, body=b'{"error":{"message":"busy"}}'),
        http_reply(body=b'{"output":["https://a.test/"]}'),
    )
    async with misbehaving(answering(busy, busy, sold)) as server:
        assert (await over_a_socket(server.url, Clock())).images
        assert len(server.requests) == 3


async def test_on_a_real_socket_nobody_listens():
    """A refused connection is tried as often as set, then 503: nothing was bought."""
    clock = Clock()
    with pytest.raises(Unavailable, match="connect_refused"):
        await over_a_socket(f"http://127.0.0.1:{closed_port()}", clock)
    assert len(clock.slept) == 3


@pytest.fixture
def timed():
    """Give a sandbox whose tasks live by the test's own clock."""
    clock = Clock()
    with RunningSandbox(Settings(task_delay=1.5), clock=clock) as sandbox:
        yield sandbox, clock


async def draw(timed, prompt="a red fox", **limits):
    """Buy one Flux picture from the sandbox on the test's clock."""
    sandbox, clock = timed
    model = row("flux-kontext-max", **limits)
    transport = AiohttpTransport(limit=4, keepalive_s=4)
    async with closing(upstream_at(sandbox.base_url, sandbox.tasks_url, transport)) as upstream:
        payload = {"prompt": prompt, "aspect_ratio": "1:1"}
        return await driver_for(upstream, clock).run(DIALECTS["flux"], model, payload, OpenGate())


async def test_polling_is_thrifty_and_prompt(timed):
    """A picture that takes 1.5 s costs at most 4 polls and is seen at most 1 s after it is ready."""
    sandbox, clock = timed
    assert (await draw(timed)).images
    assert sandbox.stats().polls <= 4
    assert 1_001.5 <= clock.now <= 1_002.5


async def test_polling_of_a_long_task_stays_bounded(timed):
    """A picture that takes 60 s costs at most 24 polls and is seen at most 5 s after it is ready."""
    sandbox, clock = timed
    assert (await draw(timed, "[[sandbox:task-delay=60]]")).images
    assert sandbox.stats().polls <= 24
    assert 1_060 <= clock.now <= 1_065


RIDDEN_OUT = ["poll-500=3", "poll-429=2", "poll-reset=3", "poll-garbage=2", "task-late=2", "task-odd-id"]


@pytest.mark.parametrize("drill", [*RIDDEN_OUT, "task-samples", "task-output", "task-delay=30"])
async def test_flux_brings_the_picture_through_every_poll_drill(timed, drill):
    """Whatever happens to the polls: one submit, one picture, `polling_url` untouched."""
    assert (await draw(timed, f"a fox [[sandbox:{drill}]]")).images
    stats = timed[0].stats()
    assert (stats.paid_calls, stats.images, stats.polling_url_calls) == (1, 1, 0)


ENDS = {
    "moderated": (Moderated, 0),
    "moderated-output": (Moderated, 0),
    "task-error": (UpstreamFailed, 0),
    "task-lost": (OutcomeUnknown, 1),
    "task-gone": (OutcomeUnknown, 1),
    "task-stuck": (OutcomeUnknown, 1),
    "poll-500=9999": (OutcomeUnknown, 1),
}


@pytest.mark.parametrize(("drill", "error", "paid"), [(drill, *end) for drill, end in ENDS.items()], ids=ENDS)
async def test_flux_ends_each_failed_task_with_its_own_error(timed, drill, error, paid):
    """Moderated (both kinds), failed, lost and stuck tasks: the right error, and never a second submit."""
    sandbox, _ = timed
    with pytest.raises(error):
        await draw(timed, f"a fox [[sandbox:{drill}]]", time_limit_s=120)
    assert sandbox.stats().paid_calls == paid
    assert sandbox.stats().polling_url_calls == 0
    assert [call.method for call in sandbox.calls].count("POST") == 1


@pytest.mark.parametrize("drill", ["http-429=1", "http-503"])
async def test_a_refused_submit_is_repeated_and_paid_once(timed, drill):
    """A submit that was refused before acceptance goes out again, and one picture is paid."""
    sandbox, _ = timed
    sandbox.drill("flux-kontext-max", drill, times=2)
    assert (await draw(timed)).images
    assert sandbox.stats().paid_calls == 1
    assert sandbox.stats().refused_calls == 2


@pytest.mark.parametrize("drill", ["processed-then-reset", "half-body", "http-504"])
async def test_a_submit_whose_answer_is_lost_is_not_repeated(timed, drill):
    """The task runs upstream and is paid, but its id never came: unknown, one submit."""
    sandbox, _ = timed
    with pytest.raises(OutcomeUnknown):
        await draw(timed, f"a fox [[sandbox:{drill}]]")
    assert [call.method for call in sandbox.calls] == ["POST"]


async def test_an_invalid_request_is_told_and_not_repeated(timed):
    """What upstream finds wrong with the input is the client's to mend."""
    sandbox, _ = timed
    with pytest.raises(InvalidRequest):
        await draw(timed, "[[sandbox:no-such-drill]]")
    assert len(sandbox.calls) == 1


async def test_every_call_carries_the_key_to_a_configured_origin_only(timed):
    """Submit and polls carry the key; nothing else is called."""
    sandbox, _ = timed
    await draw(timed)
    assert {(call.origin, call.key) for call in sandbox.calls} == {("api", "0000"), ("tasks", "0000")}

"""What bounds the work in flight, seen by clients: in-flight limits, the queue, the circuit, the deadline."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.support.gateway import envelope
from tests.support.haste import hasty_gateway

OVERLOADED = (503, "server_error", "server_overloaded", None)
LEFT_ALONE = (503, "server_error", "model_unavailable", None)
DEADLINE = (504, "server_error", "timeout", None)


@pytest.fixture
def gateway_with(sandbox, tmp_path):
    """Give a function that runs a gateway with some settings changed."""
    return lambda **flags: hasty_gateway(sandbox, tmp_path, **flags)


def bought(sandbox):
    """Give the billable calls, oldest first."""
    return [call for call in sandbox.calls if call.billable]


def post(gateway, key, model, prompt, **headers):
    """Ask for one picture, by link: such an answer is small."""
    with gateway.http(key) as http:
        body = {"model": model, "prompt": prompt, "response_format": "url"}
        return http.post("/v1/images/generations", json=body, headers=headers)


@contextmanager
def asking(gateway, model, prompt, times):
    """Ask for the same so many times at once; gives the answers to come."""
    key = gateway.key()
    with ThreadPoolExecutor(times) as pool:
        yield [pool.submit(post, gateway, key, model, f"{prompt} {number}") for number in range(times)]


def release_until_done(sandbox, answers):
    """Let go whatever is held, and what is held next, until every answer is there."""

    def done():
        sandbox.release()
        return all(answer.done() for answer in answers)

    sandbox.wait_for(done)


def most_tasks_at_once(sandbox):
    """Count how many tasks were under way together: each from its submit to the poll that found it ready."""
    begun = [call.time for call in bought(sandbox)]
    ended = {call.path: call.time for call in sandbox.calls if call.origin == "tasks"}.values()
    changes = sorted([(time, 1) for time in begun] + [(time, -1) for time in ended])
    return max(sum(change for _, change in changes[: end + 1]) for end in range(len(changes)))


def test_tasks_of_a_model(gateway_with, sandbox):
    """A model's limit holds from submit to picture: of twenty tasks at once six are under way, and all get done."""
    with (
        gateway_with() as gateway,
        asking(gateway, "flux-kontext-max", "[[sandbox:task-hold]] a fox", 20) as answers,
    ):
        sandbox.wait_for(lambda: len(bought(sandbox)) >= 6)
        release_until_done(sandbox, answers)

    assert {200: 20} == Counter(answer.result().status_code for answer in answers)
    assert 20 == sandbox.stats().paid_calls
    assert 6 == most_tasks_at_once(sandbox)


def test_full_queue(gateway_with, sandbox):
    """A worker makes so many calls at once and lets so many wait; who comes later is sent away, and buys nothing."""
    open_at_once = []

    def someone_is_turned_away():
        open_at_once.append(sum(call.status is None for call in bought(sandbox)))
        return any(answer.done() for answer in answers) and open_at_once[-1] >= 3

    with (
        gateway_with(limits__max_in_flight=3, limits__max_queued=4) as gateway,
        asking(gateway, "V3", "[[sandbox:hold]] a fox", 8) as answers,
    ):
        sandbox.wait_for(someone_is_turned_away)
        (turned_away,) = (answer.result() for answer in answers if answer.done())
        others = post(gateway, gateway.key(), "dall-e-3", "a hen")
        held = len(bought(sandbox))
        release_until_done(sandbox, answers)
        later = post(gateway, gateway.key(), "V3", "a hen")

    for answer in (turned_away, others):
        assert OVERLOADED == envelope(answer)
        assert "true" == answer.headers["x-should-retry"]
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (3, 3) == (held, max(open_at_once))
    assert {200: 7, 503: 1} == Counter(answer.result().status_code for answer in answers)
    assert 200 == later.status_code
    assert 8 == sandbox.stats().paid_calls


def test_every_picture_of_a_request_needs_its_place(gateway_with, sandbox):
    """A request whose calls do not all fit is sent away before it has bought one of them."""
    with gateway_with(limits__max_in_flight=2, limits__max_queued=1) as gateway, gateway.http(gateway.key()) as http:
        answer = http.post("/v1/images/generations", json={"model": "V3", "prompt": "a fox", "n": 4})

    assert OVERLOADED == envelope(answer)
    assert [] == sandbox.calls


def test_open_circuit(gateway_with, sandbox):
    """After some failures in a row a model is left alone: no call goes upstream, and other models are not affected."""
    with gateway_with(limits__circuit_failures=3, limits__circuit_open_s=3600) as gateway:
        key = gateway.key()
        failures = [post(gateway, key, "V3", f"[[sandbox:http-500]] {number}") for number in range(3)]
        calls = len(bought(sandbox))
        refused = post(gateway, key, "V3", "a fox")
        after = len(bought(sandbox))
        other = post(gateway, key, "dall-e-3", "a fox")

    assert {502} == {answer.status_code for answer in failures}
    assert LEFT_ALONE == envelope(refused)
    assert ("true", "60") == (refused.headers["x-should-retry"], refused.headers["retry-after"])
    assert (3, 3) == (calls, after)
    assert 200 == other.status_code


@pytest.mark.parametrize("drill", ["http-401", "http-403", "moderated", "unknown-model-404"])
def test_what_does_not_open_the_circuit(gateway_with, drill):
    """A refusal says nothing of the model's health, and must go on being told as it is."""
    with gateway_with(limits__circuit_failures=1, limits__circuit_open_s=3600) as gateway:
        key = gateway.key()
        first, second = (envelope(post(gateway, key, "V3", f"[[sandbox:{drill}]] {number}")) for number in range(2))

    assert first == second
    assert LEFT_ALONE != second


def test_probe(gateway_with, sandbox):
    """Once the rest is over one call may try: a failure opens the circuit again, a success closes it."""

    def answers_of_the_probe(prompt):
        answers = []

        def tried():
            answers.append(post(gateway, key, "V3", prompt))
            return envelope_or_ok(answers[-1]) != LEFT_ALONE

        sandbox.wait_for(tried)
        return answers[-1].status_code

    with gateway_with(limits__circuit_failures=2, limits__circuit_open_s=0.1) as gateway:
        key = gateway.key()
        for number in range(2):
            post(gateway, key, "V3", f"[[sandbox:http-500]] {number}")
        tries = [answers_of_the_probe(prompt) for prompt in ("[[sandbox:http-500]] a fox", "a hen")]
        free = [post(gateway, key, "V3", prompt).status_code for prompt in ("[[sandbox:http-500]] an owl", "a cat")]

    assert [502, 200] == tries
    assert [502, 200] == free
    assert 6 == len(bought(sandbox))


def envelope_or_ok(answer):
    """Take an error apart; a success is None."""
    return None if answer.status_code == 200 else envelope(answer)


@pytest.mark.parametrize(
    "limit",
    [({"server__request_timeout_s": 0.1}, {}), ({}, {"x-stainless-read-timeout": "0.2"})],
    ids=["the setting", "the client's own"],
)
@pytest.mark.parametrize(("model", "drill"), [("V3", "hold"), ("flux-kontext-max", "task-hold")])
def test_deadline(gateway_with, sandbox, model, drill, limit):
    """A request waits no longer than it may; its retry collects the picture, which is bought once."""
    flags, headers = limit
    with gateway_with(**flags) as gateway:
        key = gateway.key()
        sandbox.drill(model, drill)
        late = post(gateway, key, model, "a fox", **headers)
        sandbox.wait_for(lambda: bought(sandbox))
        answers = [late]

        def collected():
            sandbox.release()
            answers.append(post(gateway, key, model, "a fox", **headers, **{"x-stainless-retry-count": "1"}))
            return answers[-1].status_code != 504

        sandbox.wait_for(collected)

    assert DEADLINE == envelope(late)
    assert ("true", "1") == (late.headers["x-should-retry"], late.headers["retry-after"])
    assert 200 == answers[-1].status_code
    assert 1 == sandbox.stats().paid_calls

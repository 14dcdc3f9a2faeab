"""The SDK's own retries: where they are invited they help, and nowhere do they buy twice."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import openai
import pytest

from tests.clients.catalogue import picture


@contextmanager
def counting(gateway, **options):
    """Make a client with the SDK's default retries; gives it, and the list of what the gateway answered."""
    answers = []
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=gateway.key(),
        http_client=openai.DefaultHttpxClient(event_hooks={"response": [answers.append]}),
        **options,
    ) as client:
        yield client, answers


@pytest.mark.parametrize("model", ["V3", "flux-kontext-pro"])
@pytest.mark.parametrize("drill", ["http-503", "http-429=1"])
def test_refused_before_acceptance(impatient, sandbox, model, drill):
    """What upstream turned away is a 503 that invites a retry; the SDK repeats it and gets its picture, paid once."""
    sandbox.drill(model, drill)
    with counting(impatient) as (client, answers):
        reply = client.images.generate(model=model, prompt="a fox", response_format="b64_json")

    assert picture(reply.data[0].b64_json)
    assert [503, 200] == [answer.status_code for answer in answers]
    assert "true" == answers[0].headers["x-should-retry"]
    assert 1 <= int(answers[0].headers["retry-after"]) <= 60
    assert 0 < int(answers[0].headers["retry-after-ms"]) <= 60_000
    assert 1 == sandbox.stats().paid_calls


def test_refused_for_good(impatient, sandbox):
    """The SDK gives up after its three attempts, with the gateway's error."""
    with counting(impatient) as (client, answers), pytest.raises(openai.InternalServerError) as raised:
        client.images.generate(model="V3", prompt="[[sandbox:http-503]] a fox")

    assert (503, "upstream_unavailable") == (raised.value.status_code, raised.value.code)
    assert [503, 503, 503] == [answer.status_code for answer in answers]
    assert 0 == sandbox.stats().paid_calls


@pytest.mark.parametrize(
    "drill", ["processed-then-reset", "half-body", "http-504", "http-502", "garbage", "wrong-shape"]
)
def test_may_have_been_paid(gateway, sandbox, drill):
    """What may have been paid is told once and not repeated, although the SDK repeats a 502 by itself."""
    with counting(gateway) as (client, answers), pytest.raises(openai.InternalServerError):
        client.images.generate(model="V3", prompt=f"[[sandbox:{drill}]] a fox")

    assert [502] == [answer.status_code for answer in answers]
    assert "false" == answers[0].headers["x-should-retry"]
    assert 1 == len([call for call in sandbox.calls if call.billable])


def test_deadline(gateway, sandbox):
    """A client that cannot wait gets a 504 in time, and its own retry collects the one picture that was bought."""
    with counting(gateway, timeout=0.8, max_retries=6) as (client, answers), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            client.images.generate, model="V3", prompt="[[sandbox:hold]] a fox", response_format="b64_json"
        )
        try:
            sandbox.wait_for(lambda: (answers and 1 == sandbox.stats().paid_calls) or waiting.done())
        finally:
            sandbox.release()
        reply = waiting.result()

    assert picture(reply.data[0].b64_json)
    assert {504} == {answer.status_code for answer in answers[:-1]}
    assert "true" == answers[0].headers["x-should-retry"]
    assert 1 == sandbox.stats().paid_calls

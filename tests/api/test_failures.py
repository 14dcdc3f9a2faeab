"""Every failure of the upstream on every model: what the client is told, and what was sent for it.

Read a row of the tables as: when this happens upstream, to these models, the client is told that.
"""

import itertools
import re
from collections import Counter
from contextlib import contextmanager
from typing import NamedTuple

import openai
import pytest

from tests.clients.catalogue import MODELS, extra, picture
from tests.support.gateway import envelope
from tests.support.haste import all_at_once, hasty_gateway
from tests.support.misbehaving import closed_port

ATTEMPTS = 2
_numbers = itertools.count()

ALL = frozenset(model.id for model in MODELS)
TASKS = frozenset({"flux-kontext-max", "flux-kontext-pro"})
LINKS = TASKS | {
    "dall-e-3", "V3", "Qwen-Image", "Qwen-Image-Edit", "irag-1.0", "ernie-irag-edit", "doubao-seedream-4-0-250828",
}  # fmt: skip
ONE_STEP = ALL - TASKS
PACKED = frozenset(model.id for model in MODELS if model.native_n > 1)  # two pictures by one call
SPLIT = ALL - PACKED  # two pictures by two calls


class Told(NamedTuple):
    """What the client sees of one answer; `calls` are the billable calls that went upstream for it."""

    status: int
    type: str | None = None
    code: str | None = None
    param: str | None = None
    should_retry: str | None = None
    retry_after: str | None = None
    calls: int = 1
    pictures: int = 0


DELIVERED = Told(200, pictures=1)
MODERATED = Told(400, "image_generation_user_error", "moderation_blocked")
POLICY = Told(400, "invalid_request_error", "content_policy_violation")
NO_MODEL = Told(404, "invalid_request_error", "model_not_found", "model")
OUR_KEY = Told(502, "server_error", "upstream_auth", should_retry="false")
OUR_QUOTA = Told(502, "server_error", "upstream_quota", should_retry="false")
NO_PICTURE = Told(502, "server_error", "upstream_error", should_retry="false")
NOT_FETCHED = Told(502, "server_error", "download_failed", should_retry="false")
UNKNOWN = Told(502, "server_error", "outcome_unknown", should_retry="false")
TURNED_AWAY = Told(503, "server_error", "upstream_unavailable", None, "true", "1", calls=ATTEMPTS)

FAILURES = [
    # what happens upstream, to whom, what the client is told, the models that are told something else
    # -- it refuses
    ("moderated", ALL, MODERATED, {"dall-e-3": POLICY}),
    ("moderated-output", ALL, MODERATED, {"dall-e-3": POLICY}),
    ("unknown-model-400", ALL, NO_MODEL),
    ("unknown-model-404", ALL, NO_MODEL),
    ("unknown-model-503", ALL, NO_MODEL),
    ("no-adaptor", ALL, NO_MODEL),
    ("http-401", ALL, OUR_KEY),
    ("http-403", ALL, OUR_QUOTA),
    # -- it turns the call away before accepting it: the only calls that are made again
    ("http-503", ALL, TURNED_AWAY),
    ("http-429=1", ALL, TURNED_AWAY),
    ("http-429=45", ALL, TURNED_AWAY._replace(retry_after="45", calls=1)),
    ("http-429=900", ALL, TURNED_AWAY._replace(retry_after="60", calls=1)),
    # -- it fails, and may have charged
    ("http-500", ALL, NO_PICTURE),
    ("error-200", ALL, NO_PICTURE),
    ("garbage", ALL, NO_PICTURE),
    ("empty-body", ALL, NO_PICTURE),
    ("wrong-shape", ALL, NO_PICTURE),
    ("not-an-image", ALL, NO_PICTURE),
    ("fewer=1", ALL, NO_PICTURE),
    # -- its answer is lost: nobody knows whether it charged
    ("http-502", ALL, UNKNOWN),
    ("http-504", ALL, UNKNOWN),
    ("reset", ALL, UNKNOWN),
    ("processed-then-reset", ALL, UNKNOWN),
    ("half-body", ALL, UNKNOWN),
    # -- it is odd, but there is a picture: that is paid for, and arrives
    ("slow=0.3", ALL, DELIVERED),
    ("more=2", ALL, DELIVERED),
    ("mislabelled", ALL, DELIVERED),
    ("form-base64_json", ONE_STEP, DELIVERED),
    ("form-bytesBase64Encoded", ONE_STEP, DELIVERED),
    ("form-data-url", ONE_STEP, DELIVERED),
    ("form-url-strings", ONE_STEP, DELIVERED),
    ("form-url-objects", ONE_STEP, DELIVERED),
    ("form-content-url", ONE_STEP, DELIVERED),
    ("form-output-strings", ONE_STEP, DELIVERED),
    ("form-data-urls", ONE_STEP, DELIVERED),
    ("form-object", ONE_STEP, DELIVERED),
    ("form-image-body", ONE_STEP, DELIVERED),
    # -- a task is in trouble
    ("task-error", TASKS, NO_PICTURE),
    ("task-late=3", TASKS, DELIVERED),
    ("task-delay=0.5", TASKS, DELIVERED),
    ("task-odd-id", TASKS, DELIVERED),
    ("task-samples", TASKS, DELIVERED),
    ("task-output", TASKS, DELIVERED),
    ("poll-500=3", TASKS, DELIVERED),
    ("poll-429=1", TASKS, DELIVERED),
    ("poll-reset=3", TASKS, DELIVERED),
    ("poll-garbage=3", TASKS, DELIVERED),
    # -- the picture is made, but hard to fetch
    ("download-404=2", LINKS, DELIVERED),
    ("download-500=2", LINKS, DELIVERED),
    ("download-reset=2", LINKS, DELIVERED),
    ("download-truncated=2", LINKS, DELIVERED),
    ("url-life=0", LINKS, NOT_FETCHED),
]

# The same for failures that do not end, where the gateway soon gives up.
ENDLESS = [
    ("silence", ALL, UNKNOWN),
    ("task-stuck", TASKS, UNKNOWN),
    ("task-lost", TASKS, UNKNOWN),
    ("task-gone", TASKS, UNKNOWN),
    ("poll-500=1000", TASKS, UNKNOWN),
    ("poll-garbage=1000", TASKS, UNKNOWN),
    ("download-404=1000", LINKS, NOT_FETCHED),
    ("download-500=1000", LINKS, NOT_FETCHED),
    ("download-reset=1000", LINKS, NOT_FETCHED),
    ("download-truncated=1000", LINKS, NOT_FETCHED),
]

# And where two pictures are asked for.
OF_TWO = [
    ("fewer=1", PACKED, DELIVERED),
    ("fewer=1", SPLIT, NO_PICTURE._replace(calls=2)),
    ("more=2", PACKED, DELIVERED._replace(pictures=2)),
    ("http-503", SPLIT, TURNED_AWAY._replace(calls=2 * ATTEMPTS)),
    ("processed-then-reset", SPLIT, UNKNOWN._replace(calls=2)),
]

# Armed for the first call alone, where two pictures are asked for by two calls.
FIRST_OF_TWO = [
    ("http-503", DELIVERED._replace(pictures=2, calls=3)),
    ("http-500", DELIVERED._replace(calls=2)),
    ("processed-then-reset", DELIVERED._replace(calls=2)),
    ("moderated", DELIVERED._replace(calls=2)),
]


def told_by_model(models, told, exceptions=None):
    """Spell a row out: what each of its models' clients is told."""
    return dict.fromkeys(models, told) | (exceptions or {})


def table(rows):
    """Make a test of each row."""
    return [pytest.param(drill, told_by_model(*row), id=f"{drill}-{row[1].code or 'ok'}") for drill, *row in rows]


@contextmanager
def client_of(sandbox, directory, **settings):
    """Give the official client of a gateway that waits little."""
    with hasty_gateway(sandbox, directory, **settings) as gateway, gateway.openai(gateway.key()) as client:
        yield client


@pytest.fixture(scope="module")
def brisk(sandbox_server, tmp_path_factory):
    """Give a client whose gateway waits little, but does not give up."""
    with client_of(sandbox_server, tmp_path_factory.mktemp("brisk"), upstream__attempts=ATTEMPTS) as client:
        yield client


@pytest.fixture
def curt(sandbox, tmp_path):
    """Give a client whose gateway soon gives up."""
    with client_of(sandbox, tmp_path, time_limit_s=3, download__patience_s=0.3) as client:
        yield client


def ask(client, model, prompt, n):
    """Ask a model for pictures; returns the gateway's last answer, whatever it is."""
    try:
        return client.images.with_raw_response.generate(
            model=model,
            prompt=prompt,
            n=n,
            size="1024x1024",
            response_format="b64_json",
            extra_body=extra(next(row for row in MODELS if row.id == model)),
        ).http_response
    except openai.APIStatusError as refused:
        return refused.response


def seen(answer, calls):
    """Take an answer apart, having checked what holds for every answer."""
    if answer.status_code == 200:
        body = answer.json()
        pictures = {item["b64_json"] for item in body["data"]}
        assert {(body["output_format"], body["size"])} == {picture(one) for one in pictures}
        assert len(pictures) == len(body["data"])
        return Told(200, calls=calls, pictures=len(pictures))
    wait = answer.headers.get("retry-after")
    if wait is not None:
        assert 1 <= int(wait) <= 60
        assert 0 < int(answer.headers["retry-after-ms"]) <= 1000 * int(wait)
    assert not re.search(r"aihubmix|sandbox|tid:|sk-|http:", f"{answer.headers} {answer.text}", re.IGNORECASE)
    return Told(*envelope(answer), answer.headers.get("x-should-retry"), wait, calls)


def outcomes(client, sandbox, wishes, *, n=1, retries=2):
    """Ask for all wishes, of model and prompt, at once; tell what each saw in the end."""
    patient = client.with_options(max_retries=retries)
    answers = all_at_once(lambda wish: ask(patient, *wish, n), wishes)
    calls = Counter(
        (call.model, call.body.get("input", call.body)["prompt"]) for call in sandbox.calls if call.billable
    )
    assert calls.keys() <= answers.keys()
    return {wish: seen(answer, calls[wish]) for wish, answer in answers.items()}


def retries_for(told):
    """Give the SDK its default, by which it would buy again unless told not to; none where a retry is invited."""
    return 0 if any(one.should_retry == "true" for one in told.values()) else 2


def wished(told, drill=None):
    """Turn what is expected by model into what is expected by model and prompt, one that nobody has used before."""
    prompt = f"[[sandbox:{drill}]] a fox" if drill else f"fox number {next(_numbers)}"
    return {(model, prompt): one for model, one in told.items()}


@pytest.mark.parametrize(("drill", "told"), table(FAILURES))
def test_failures(brisk, sandbox, drill, told):
    """Each failure is told by status, code and headers, and a call that may have been accepted is never repeated.

    Not by the gateway, and not by the SDK, whose own retries are at work here. Nobody is told who the upstream is.
    """
    expected = wished(told, drill)

    assert expected == outcomes(brisk, sandbox, expected, retries=retries_for(told))


def test_endless_failures(curt, sandbox):
    """What never ends upstream ends at the model's time limit, or the patience for its picture, and is bought once."""
    expected = {}
    for drill, *row in ENDLESS:
        expected |= wished(told_by_model(*row), drill)

    assert expected == outcomes(curt, sandbox, expected)


@pytest.mark.parametrize(("drill", "told"), table(OF_TWO))
def test_failures_where_two_are_asked_for(brisk, sandbox, drill, told):
    """The pictures that were made are delivered; where there is none, the failure is told."""
    expected = wished(told, drill)

    assert expected == outcomes(brisk, sandbox, expected, n=2, retries=retries_for(told))


@pytest.mark.parametrize(("drill", "told"), FIRST_OF_TWO, ids=[drill for drill, _ in FIRST_OF_TWO])
def test_one_of_two_calls_fails(brisk, sandbox, drill, told):
    """One failed call does not cost the other picture."""
    for model in SPLIT:
        sandbox.drill(model, drill)
    expected = wished(dict.fromkeys(SPLIT, told))

    assert expected == outcomes(brisk, sandbox, expected, n=2)


@pytest.mark.parametrize("drill", ["http-503", "http-429=1"])
def test_turned_away_once(brisk, sandbox, drill):
    """A call that was turned away is made again, and the client never hears of it."""
    for model in ALL:
        sandbox.drill(model, drill)
    expected = wished(dict.fromkeys(ALL, DELIVERED._replace(calls=2)))

    assert expected == outcomes(brisk, sandbox, expected, retries=0)


def test_never_reached(sandbox, tmp_path):
    """Where no connection stands nothing was bought, and a retry is invited."""
    nowhere = f"http://127.0.0.1:{closed_port()}"
    expected = wished(dict.fromkeys(ALL, TURNED_AWAY._replace(calls=0)))
    with client_of(
        sandbox, tmp_path, upstream__attempts=ATTEMPTS, upstream__base_url=nowhere, upstream__tasks_url=nowhere
    ) as client:
        told = outcomes(client, sandbox, expected, retries=0)

    assert expected == told

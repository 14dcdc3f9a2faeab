"""Drills are found in prompts and armed for models, and each does what it says."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from gateway.sandbox import drills
from tests.support.sandbox_calls import buy


def test_every_drill_is_documented():
    """The module's own page names all of them."""
    for name in drills.DRILLS:
        assert name in drills.__doc__, name


def test_a_prompt_may_name_several(sandbox):
    """Markers combine."""
    reply = buy(sandbox, "irag-1.0", n=2, prompt="[[sandbox:fewer]] and [[sandbox:form-base64_json]]")
    assert [list(one) for one in reply.json()["output"]] == [["base64_json"]]


@pytest.mark.parametrize("marker", ["moderate", "slow=long", ""])
def test_an_unknown_drill_in_a_prompt_is_refused(sandbox, marker):
    """A misspelt drill must not pass as a plain prompt."""
    reply = buy(sandbox, "V3", prompt=f"[[sandbox:{marker}]]")
    assert reply.status_code == 400
    assert sandbox.stats().paid_calls == 0


def test_an_armed_drill_counts_down(sandbox):
    """It happens to so many calls of its model, and to no other model."""
    sandbox.drill("ideogram/V3", "http-503", times=2)
    assert buy(sandbox, "dall-e-3").status_code == 200
    assert [buy(sandbox, "V3").status_code for _ in range(3)] == [503, 503, 200]


def test_a_star_arms_every_model(sandbox):
    """`*` is the next call of any model."""
    sandbox.drill("*", "http-500")
    assert [buy(sandbox, "dall-e-3").status_code, buy(sandbox, "V3").status_code] == [500, 200]


def test_an_unknown_model_or_drill_cannot_be_armed(sandbox):
    """ValueError, and nothing is armed."""
    with pytest.raises(ValueError, match="unknown model"):
        sandbox.drill("V9", "http-503")
    with pytest.raises(ValueError, match="unknown drill"):
        sandbox.drill("V3", "http-999")


@pytest.mark.parametrize(("drill", "count"), [("fewer", 1), ("fewer=2", 0), ("more=2", 4)])
def test_fewer_and_more_are_billed_as_delivered(sandbox, drill, count):
    """Two were asked for; what came is what is billed."""
    output = buy(sandbox, "imagen-3.0-generate-002", numberOfImages=2, prompt=f"[[sandbox:{drill}]]").json()["output"]
    assert (len(output), sandbox.stats().images) == (count, count)


@pytest.mark.parametrize(
    ("drill", "body"),
    [("garbage", '{"output":[{"url":'), ("empty-body", ""), ("wrong-shape", '{"output":[{"state":"done"}]}')],
)
def test_useless_answers_are_billed(sandbox, drill, body):
    """The picture was made and paid for, the answer is of no use."""
    reply = buy(sandbox, "V3", prompt=f"[[sandbox:{drill}]]")
    assert (reply.status_code, reply.text) == (200, body)
    assert sandbox.stats().images == 1


@pytest.mark.parametrize(
    ("drill", "error"), [("processed-then-reset", httpx.ReadError), ("half-body", httpx.RemoteProtocolError)]
)
def test_lost_answers_are_billed(sandbox, drill, error):
    """The connection breaks after the work was done."""
    with pytest.raises(error):
        buy(sandbox, "V3", prompt=f"[[sandbox:{drill}]]")
    assert sandbox.stats().images == 1


def test_a_held_answer_leaves_after_its_release(sandbox):
    """It is on record and billed while held; then it arrives whole."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(buy, sandbox, "V3", prompt="[[sandbox:hold]]")
        sandbox.wait_for(lambda: sandbox.stats().images == 1)
        assert sandbox.calls[0].status is None
        sandbox.release()
        assert answer.result(10).status_code == 200
    assert sandbox.calls[0].status == 200


def test_a_slow_answer_is_billed_before_it_leaves(sandbox):
    """The client has gone, the bill stays."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{sandbox.base_url}/v1/models/ideogram/V3/predictions",
            json={"input": {"prompt": "[[sandbox:slow=3600]]"}},
            headers={"authorization": "Bearer sk-1"},
            timeout=0.5,
        )
    sandbox.wait_for(lambda: sandbox.stats().images == 1)

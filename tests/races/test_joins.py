"""Identical requests at once, over two workers: one purchase; and as many as requests where that is wished."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from tests.races.harness import Books, Gateway, asking, client_of, mint, rounds, submits
from tests.support.processes import until

TOGETHER = 300


@pytest.fixture(scope="module")
def upstream():
    with RunningSandbox(Settings(task_delay=0.4)) as running:
        yield running


@pytest.mark.timeout(3600)
def test_three_hundred_identical_requests_are_one_purchase(own_valkey, upstream, tmp_path):
    """300 identical requests over two workers: upstream saw one call, all got the same picture, one charge."""
    _, key = mint(own_valkey.url)
    with Gateway(tmp_path / "a", upstream, own_valkey.url) as gateway:
        for number in range(rounds(1)):
            upstream.reset()
            body = {"model": "flux-kontext-pro", "prompt": f"the same fox {number} [[sandbox:task-hold]]"}
            headers = {"authorization": f"Bearer {key}"}

            def post(_):
                return httpx.post(f"{gateway.url}/v1/images/generations", json=body, headers=headers, timeout=60)

            with ThreadPoolExecutor(TOGETHER) as pool:
                futures = [pool.submit(post, i) for i in range(TOGETHER)]
                until(lambda: Books(own_valkey).counted()["requests"] >= TOGETHER * (number + 1), "all requests", 60)
                upstream.release()
                answers = [future.result() for future in futures]

            assert {200} == {answer.status_code for answer in answers}
            assert 1 == len({answer.json()["data"][0]["b64_json"] for answer in answers})
            assert 1 == upstream.stats().paid_calls
            told = sorted(answer.headers["x-gateway-cache"] for answer in answers)
            assert ["joined"] * (TOGETHER - 1) + ["miss"] == told
            assert [0.0] * (TOGETHER - 1) + [0.04] == sorted(float(a.headers["x-gateway-cost-usd"]) for a in answers)
        booked = Books(own_valkey).balance()

    assert rounds(1) == booked["images"] == booked["generations"]
    assert rounds(1) * 40_000 == booked["cost"]


@pytest.mark.timeout(3600)
def test_what_is_not_to_be_stored_is_made_each_time(own_valkey, upstream, tmp_path):
    """20 identical requests with `no-store`: 20 calls, 20 different pictures."""
    upstream.reset()
    _, key = mint(own_valkey.url)
    with Gateway(tmp_path / "a", upstream, own_valkey.url) as gateway:
        client = client_of(gateway.url, key)
        with asking(client, ["a fox"] * 20, extra_headers={"cache-control": "no-store"}) as futures:
            seen = [future.result() for future in futures]
        booked = Books(own_valkey).balance()

    assert 20 == len({one.pictures for one in seen})
    assert {"bypass"} == {one.cache for one in seen}
    assert 20 == submits(upstream)["a fox"] == booked["images"]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("headers", [{}, {"cache-control": "no-store"}], ids=["shared", "no-store"])
def test_an_impatient_client_pays_once(own_valkey, upstream, tmp_path, headers):
    """A client with a timeout of 1 s and two retries on a 2.5 s model: one purchase, and a retry gets the picture."""
    _, key = mint(own_valkey.url)
    with Gateway(tmp_path / "a", upstream, own_valkey.url) as gateway:
        for number in range(rounds(1)):
            upstream.reset()
            client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, timeout=1.0, max_retries=2)
            prompt = f"a slow fox {number} [[sandbox:slow=2.5]]"
            made = client.images.generate(
                model="dall-e-3", prompt=prompt, response_format="b64_json", extra_headers=headers
            )

            assert made.data[0].b64_json
            assert 1 == upstream.stats().paid_calls
        booked = Books(own_valkey).balance()

    assert rounds(1) == booked["images"]

"""Redis away, restarted and paused in the middle of paid work."""

import asyncio
import time

import httpx
import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from gateway.store.brakes import Brakes
from gateway.store.scripts import Scripts
from tests.races.harness import Books, Gateway, ask, asking, client_of, mint, rounds, submits
from tests.support.processes import until
from tests.support.valkey import RunningValkey, gateway_client


@pytest.fixture(scope="module")
def upstream():
    with RunningSandbox(Settings(task_delay=0.4)) as running:
        yield running


@pytest.fixture
def durable_valkey():
    """Start a Valkey that keeps an append-only file, as production's does."""
    server = RunningValkey("--appendonly", "yes")
    yield server
    server.close()


def brake(url, budget):
    """Give the whole gateway a budget, in micro-dollars."""

    async def set_budget():
        async with gateway_client(url) as redis:
            await Brakes(redis, Scripts(redis)).set_budget(budget)

    asyncio.run(set_budget())


def spent_of_all(valkey):
    """Tell what of the whole gateway's budget is used, in micro-dollars."""
    with valkey.client() as client:
        [month] = client.keys("{gateway}:brakes:month:*")
        return int(client.hget(month, "used") or 0)


def assert_paid_once(seen, sandbox):
    paid = submits(sandbox)
    for one in seen:
        assert paid[one.prompt] <= 1, one
        assert one.error in {None, "outcome_unknown"}, one
        assert (one.error is None) <= (paid[one.prompt] == 1), one


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("away_s", [0.0, 1.0])
def test_redis_is_restarted(durable_valkey, upstream, tmp_path, away_s):
    """Kill -9 of Redis and a start from its append-only file, at any instant: no double purchase, no lost picture."""
    _, key = mint(durable_valkey.url)
    number_of_rounds = rounds(2)
    with Gateway(tmp_path / "a", upstream, durable_valkey.url, GATEWAY_REDIS_COMMAND_TIMEOUT_S="0.5") as gateway:
        for number in range(number_of_rounds):
            upstream.reset()
            with asking(client_of(gateway.url, key), [f"round {number}.{i}" for i in range(4)]) as futures:
                time.sleep(0.1 + 0.7 * number / number_of_rounds)
                durable_valkey.kill()
                time.sleep(away_s)
                durable_valkey.start()
                seen = [future.result() for future in futures]
            assert_paid_once(seen, upstream)
            assert 4 == sum(one.error is None for one in seen)
        booked = Books(durable_valkey).balance()

    assert number_of_rounds * 4 == booked["images"]


@pytest.mark.timeout(7200)
def test_redis_is_paused(durable_valkey, upstream, tmp_path):
    """Redis stands still for longer than a command, and than a lease: no double purchase, no lost picture."""
    _, key = mint(durable_valkey.url)
    number_of_rounds = rounds(1)
    with Gateway(tmp_path / "a", upstream, durable_valkey.url, GATEWAY_REDIS_COMMAND_TIMEOUT_S="0.5") as gateway:
        for number in range(number_of_rounds):
            upstream.reset()
            with asking(client_of(gateway.url, key), [f"pause {number}.{i}" for i in range(4)]) as futures:
                time.sleep(0.1 + 0.7 * (number % 8) / 8)
                durable_valkey.pause()
                time.sleep(3)
                durable_valkey.resume()
                seen = [future.result() for future in futures]
            assert_paid_once(seen, upstream)
            assert 4 == sum(one.error is None for one in seen)
        booked = Books(durable_valkey).balance()

    assert number_of_rounds * 4 == booked["images"]


def test_redis_away_is_denied_by_default(own_valkey, upstream, tmp_path):
    """Without Redis nothing is bought: 503 for known keys and others, while the process stays alive."""
    upstream.reset()
    _, key = mint(own_valkey.url)
    with Gateway(tmp_path / "a", upstream, own_valkey.url, workers=1) as gateway:
        body = {"model": "dall-e-3", "prompt": "a fox"}
        known, stranger = ({"authorization": f"Bearer {k}"} for k in (key, f"sk-gw-abcdefghijkl-{'x' * 43}"))
        url = f"{gateway.url}/v1/images/generations"
        assert 200 == httpx.post(url, json=body, headers=known).status_code
        own_valkey.kill()
        answers = [httpx.post(url, json=body | {"prompt": "anew"}, headers=who) for who in (known, stranger)]

        assert [503, 503] == [answer.status_code for answer in answers]
        assert ["redis_unavailable"] * 2 == [answer.json()["error"]["code"] for answer in answers]
        assert all(answer.headers["retry-after"] for answer in answers)
        assert 200 == httpx.get(f"{gateway.url}/healthz").status_code
        assert 1 == upstream.stats().paid_calls


@pytest.mark.timeout(600)
def test_redis_away_is_served_where_allowed(durable_valkey, upstream, tmp_path):
    """With `allow`, keys seen lately are served and what they buy is booked when Redis is back, even after a kill.

    That is in their team's books, and in the budget of the whole gateway.
    """
    upstream.reset()
    _, key = mint(durable_valkey.url)
    brake(durable_valkey.url, 1_000_000_000)
    with Gateway(tmp_path / "a", upstream, durable_valkey.url, workers=1, GATEWAY_REDIS_DOWN="allow") as gateway:
        body = {"model": "dall-e-3", "prompt": "a fox", "response_format": "b64_json"}
        headers = {"authorization": f"Bearer {key}"}
        url = f"{gateway.url}/v1/images/generations"
        assert 200 == httpx.post(url, json=body, headers=headers).status_code
        until(lambda: spent_of_all(durable_valkey) == 40_000, "the first in the budget of all teams")
        durable_valkey.kill()
        served = [httpx.post(url, json=body | {"prompt": f"fox {i}"}, headers=headers, timeout=30) for i in range(3)]
        stranger = {"authorization": f"Bearer sk-gw-abcdefghijkl-{'x' * 43}"}
        denied = httpx.post(url, json=body, headers=stranger, timeout=30)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json=body | {"prompt": "[[sandbox:silence]]"}, headers=headers, timeout=3)
        gateway.kill()
        durable_valkey.start()
        gateway.start()
        books = Books(durable_valkey)
        until(lambda: books.counted()["generations"] == 5, "the booking of all five", 60)
        booked = books.balance()
        until(lambda: spent_of_all(durable_valkey) == booked["cost"], "their cost in the budget of all teams")

    assert [200] * 3 == [answer.status_code for answer in served]
    assert ["bypass"] * 3 == [answer.headers["x-gateway-cache"] for answer in served]
    assert 503 == denied.status_code
    assert 4 == booked["images"]
    assert 1 == booked["unknown"]
    assert 5 * 40_000 == booked["cost"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("policy", ["deny", "allow"])
def test_a_cluster_stands_still_under_load(own_cluster, upstream, tmp_path, policy):
    """All nodes are stopped and go on: the policy holds meanwhile, and afterwards all is booked that was bought, once."""
    upstream.reset()
    _, key = mint(own_cluster.url)
    for node in own_cluster.nodes:
        node.call("CONFIG", "SET", "cluster-node-timeout", 60_000)  # stopped together, none fails over
    environ = {"GATEWAY_REDIS_DOWN": policy, "GATEWAY_REDIS_COMMAND_TIMEOUT_S": "0.5"}
    environ["GATEWAY_REDIS_CONNECT_TIMEOUT_S"] = "1"  # each try to learn the layout may wait for each node
    with Gateway(tmp_path / "a", upstream, own_cluster.url, workers=1, **environ) as gateway:
        client = client_of(gateway.url, key)
        assert None is ask(client, "before").error
        with asking(client, [f"amid {i}" for i in range(4)]) as futures:
            until(lambda: upstream.stats().paid_calls >= 2, "some submits")
            for node in own_cluster.nodes:
                node.pause()
            told = ask(client_of(gateway.url, key, max_retries=0), "meanwhile", model="V3", response_format="b64_json")
            for node in own_cluster.nodes:
                node.resume()
            seen = [future.result() for future in futures]
        until(lambda: Books(own_cluster).counted()["images"] == sum(submits(upstream).values()), "all bookings", 60)
        booked = Books(own_cluster).balance()

    assert told.error == {"deny": "redis_unavailable", "allow": None}[policy]
    assert [None] * 4 == [one.error for one in seen]
    assert 1 == max(submits(upstream).values())
    assert 0 == booked["unknown"]


@pytest.mark.timeout(600)
def test_a_replica_is_promoted(sentinel, upstream, tmp_path):
    """The primary is killed amid paid work: with `wait` nothing that was acknowledged is lost, and nothing paid twice."""
    upstream.reset()
    _, key = mint(sentinel.url)
    with Gateway(tmp_path / "a", upstream, sentinel.url, GATEWAY_REDIS_DURABILITY="wait") as gateway:
        client = client_of(gateway.url, key)
        with asking(client, [f"before {i}" for i in range(4)]) as before:
            assert [None] * 4 == [future.result().error for future in before]
        with asking(client, [f"amid {i} [[sandbox:task-delay=2]]" for i in range(4)]) as futures:
            until(lambda: upstream.stats().paid_calls == 8, "all submits")
            sentinel.kill_primary()
            sentinel.until_promoted()
            seen = [future.result() for future in futures]
        told = ask(client_of(gateway.url, key, max_retries=0), "alone").error

    assert [None] * 4 == [one.error for one in seen]
    assert "redis_unavailable" == told  # without a replica nothing new is bought
    assert 8 == upstream.stats().paid_calls == Books(sentinel.replica).counted()["images"]


@pytest.mark.timeout(7200)
def test_another_gateway_takes_over(own_valkey, upstream, tmp_path):
    """A gateway is killed for good; a second one, with a state directory of its own, collects what the first has paid for."""
    _, key = mint(own_valkey.url)
    number_of_rounds = rounds(1)
    with Gateway(tmp_path / "b", upstream, own_valkey.url, workers=1) as second:
        for number in range(number_of_rounds):
            upstream.reset()
            first = Gateway(tmp_path / "a", upstream, own_valkey.url, workers=1).start()
            prompts = [f"handed {number}.{i}" for i in range(4)]
            with asking(client_of(first.url, key, max_retries=0), prompts) as lost:
                until(lambda: upstream.stats().paid_calls == len(prompts), "all submits")
                time.sleep(0.05 * (number % 8))
                first.kill()
                assert {"APIConnectionError", None} >= {future.result().error for future in lost}
            with asking(client_of(second.url, key), prompts) as futures:
                seen = [future.result() for future in futures]

            assert_paid_once(seen, upstream)
        booked = Books(own_valkey).balance()

    assert number_of_rounds * 4 == booked["images"] + booked["unknown"]

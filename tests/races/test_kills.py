"""Workers and whole gateways really killed, stopped and continued, at random instants of paid work.

What is asserted after each: upstream saw at most one submit for each prompt; whoever got an error got
`outcome_unknown`, and only where no task was known; every picture that was paid for was delivered and charged once.
"""

import os
import random
import signal
import time

import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from tests.races.harness import LEASE_S, Books, Gateway, asking, client_of, mint, rounds, submits

CLIENTS = 4
LONGEST_S = 0.9  # from a round's first request to its kill: submit, task and delivery lie within


@pytest.fixture(scope="module")
def upstream():
    with RunningSandbox(Settings(task_delay=0.4)) as running:
        yield running


def sleep_a_while(seed):
    """Let a random part of the work pass. It synchronises nothing: any instant will do."""
    time.sleep(random.Random(seed).uniform(0, LONGEST_S))


def play(valkey, sandbox, key, urls, strike, number, *, clients=CLIENTS):
    """Ask, strike, and look at what everybody saw; returns how many outcomes are unknown."""
    sandbox.reset()
    prompts = [f"round {number}, fox {client}" for client in range(clients)]
    with asking(client_of(urls[0], key), prompts) as futures:
        sleep_a_while(number)
        strike()
        seen = [future.result() for future in futures]
    paid = submits(sandbox)
    unknown = 0
    for one in seen:
        assert paid[one.prompt] <= 1, (one, paid)
        if one.error is None:
            assert 1 == paid[one.prompt]
            assert 1 == len(one.pictures)
        else:
            assert "outcome_unknown" == one.error, one
            unknown += 1
    tasks_lost = [
        generation
        for generation, record in Books(valkey).records().items()
        if record["state"] == "unknown" and "t1" in record
    ]
    assert [] == tasks_lost
    return unknown


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["own_valkey", "cluster"])
def test_one_of_two_workers_is_killed(request, upstream, tmp_path, kind):
    """Kill -9 of either worker at any instant: one submit, one picture, one charge; on one node and on a cluster."""
    own_valkey = request.getfixturevalue(kind)
    _, key = mint(own_valkey.url)
    unknown, number_of_rounds = 0, rounds(2)
    with Gateway(tmp_path / "a", upstream, own_valkey.url) as gateway:
        for number in range(number_of_rounds):

            def strike():
                os.kill(gateway.worker(random.Random(number)), signal.SIGKILL)

            unknown += play(own_valkey, upstream, key, [gateway.url], strike, number)
        booked = Books(own_valkey).balance()

    assert number_of_rounds * CLIENTS == booked["images"] + booked["unknown"]
    assert unknown == booked["unknown"]
    print(f"{number_of_rounds} rounds: {booked['images']} delivered, {unknown} unknown")


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("end", [Gateway.kill, Gateway.stop], ids=["killed", "told to stop"])
def test_the_whole_gateway_ends_and_starts(own_valkey, upstream, tmp_path, end):
    """Kill -9 of launcher and workers at once, or SIGTERM: after a start the clients' retries get what was paid for.

    Told to stop, it hands its tasks over and leaves no outcome unknown.
    """
    _, key = mint(own_valkey.url)
    unknown, number_of_rounds = 0, rounds(2)
    with Gateway(tmp_path / "a", upstream, own_valkey.url) as gateway:

        def strike():
            end(gateway)
            gateway.start()

        for number in range(number_of_rounds):
            unknown += play(own_valkey, upstream, key, [gateway.url], strike, number)
        booked = Books(own_valkey).balance()

    assert number_of_rounds * CLIENTS == booked["images"] + booked["unknown"]
    assert unknown == booked["unknown"]
    assert end is Gateway.kill or 0 == unknown
    print(f"{number_of_rounds} rounds: {booked['images']} delivered, {unknown} unknown")


@pytest.mark.timeout(7200)
def test_a_worker_is_stopped_past_its_lease_and_continued(own_valkey, upstream, tmp_path):
    """SIGSTOP longer than the lease, then SIGCONT: another worker collects, and the sleeper neither sends nor settles twice."""
    _, key = mint(own_valkey.url)
    number_of_rounds = rounds(1)
    with Gateway(tmp_path / "a", upstream, own_valkey.url) as gateway:
        for number in range(number_of_rounds):
            pid = gateway.worker(random.Random(number))

            def strike():
                os.kill(pid, signal.SIGSTOP)
                time.sleep(LEASE_S + 1)
                os.kill(pid, signal.SIGCONT)

            play(own_valkey, upstream, key, [gateway.url], strike, number)
        booked = Books(own_valkey).balance()

    assert number_of_rounds * CLIENTS == booked["images"] + booked["unknown"]

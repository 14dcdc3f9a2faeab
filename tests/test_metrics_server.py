"""Metrics of whole gateways with several workers, on the main port and on one of their own."""

import random
import socket
import threading

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.races.harness import Gateway, ask, client_of, free_port, mint
from tests.support.processes import descendants, kill, until


@pytest.fixture
def start(tmp_path, sandbox, valkey_url):
    started = []

    def gateway(**environ):
        started.append(Gateway(tmp_path / "gateway", sandbox, valkey_url, **environ))
        return started[-1].start()

    yield gateway
    for one in started:
        one.stop()


def scraped(url):
    response = httpx.get(f"{url}/metrics", timeout=30, trust_env=False)
    assert (response.status_code, response.headers["content-type"].count("charset")) == (200, 1)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def drawn(samples):
    return samples.get(("gateway_images_total", "V3", "art"), 0)


def draw(gateway, key, count):
    with client_of(gateway.url, key) as client:
        for index in range(count):
            assert ask(client, f"a fox {index} {random.random()}", model="V3").pictures


def metrics_server(gateway):
    [pid] = [pid for pid, command in descendants(gateway.process.pid).items() if "metrics_server" in command]
    return pid


def test_any_worker_tells_the_sum_of_all(start, valkey_url):
    """Whichever answers a scrape; and a worker that dies takes nothing with it but what it was doing."""
    gateway = start()
    _, key = mint(valkey_url)
    draw(gateway, key, 6)
    for _ in range(6):  # connections are spread over both workers
        assert drawn(scraped(gateway.url)) == 6

    kill(gateway.worker(random))
    draw(gateway, key, 4)

    samples = scraped(gateway.url)
    assert drawn(samples) == 10
    assert samples["gateway_generations_in_flight", "V3"] == 0
    assert samples["gateway_redis_up",] == 1
    assert not any("pid" in name for name in samples)


def test_a_dead_worker_has_nothing_in_flight(start, valkey_url):
    """What it was making is made by another one, and counted there."""
    gateway = start()
    _, key = mint(valkey_url)
    prompt = "a fox [[sandbox:task-delay=5]]"

    def in_flight():
        return scraped(gateway.url).get(("gateway_generations_in_flight", "flux-kontext-pro"), 0)

    with client_of(gateway.url, key) as client:
        asking = threading.Thread(target=ask, args=(client, prompt))
        asking.start()
        until(lambda: in_flight() == 1, "a generation")
        polls = "gateway_upstream_replies_total", "flux-kontext-pro", "200"
        until(lambda: scraped(gateway.url).get(polls, 0) > 1, "the first poll")
        for pid, command in descendants(gateway.process.pid).items():
            if "gateway.worker" in command:
                kill(pid)
        until(lambda: drawn_by_recovery(gateway) == 1, "the adoption's end", 60)
        asking.join(60)

    assert in_flight() == 0


def drawn_by_recovery(gateway):
    try:
        samples = scraped(gateway.url)
    except httpx.TransportError:
        return None
    adopted = ("gateway_adoptions_total", "flux-kontext-pro")
    return samples.get(adopted, 0) and samples.get(("gateway_recoveries_total", "flux-kontext-pro", "delivered"))


def test_metrics_on_a_port_of_their_own(start, valkey_url):
    """For one worker as well; the main port has none, and a server that is killed comes back to the same counts."""
    port = free_port()
    gateway = start(workers=1, GATEWAY_METRICS_PORT=str(port))
    url = f"http://127.0.0.1:{port}"
    _, key = mint(valkey_url)
    draw(gateway, key, 2)

    assert drawn(scraped(url)) == 2
    assert httpx.get(f"{gateway.url}/metrics", trust_env=False).status_code == 404
    assert httpx.get(f"{url}/v1/models", trust_env=False).status_code == 404

    before = metrics_server(gateway)
    kill(before)
    until(lambda: metrics_server_is_back(gateway, before), "a new server")

    assert drawn(scraped(url)) == 2


def metrics_server_is_back(gateway, before):
    try:
        return metrics_server(gateway) != before
    except ValueError:
        return False


def test_a_busy_metrics_port_is_one_line(start):
    """Which names the variable to change."""
    busy = free_port()
    with socket.create_server(("127.0.0.1", busy)), pytest.raises(AssertionError) as stopped:
        start(GATEWAY_METRICS_PORT=str(busy))

    assert "choose another with GATEWAY_METRICS_PORT" in str(stopped.value)

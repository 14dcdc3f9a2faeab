"""Alive, ready, measured."""

from tests.support.gateway import RunningGateway, settings_for


def test_ready(gateway):
    """With Redis at hand the gateway is ready and says so."""
    with gateway.http() as http:
        answer = http.get("/readyz")

    assert (200, {"ready": True, "redis": "ok", "draining": False}) == (answer.status_code, answer.json())


def test_redis_away(sandbox, own_valkey):
    """Not ready before Redis was ever reached; once reached, its absence is told but traffic stays; always alive."""
    own_valkey.kill()
    with RunningGateway(settings_for(sandbox, own_valkey.url)) as gateway, gateway.http() as http:
        assert 503 == http.get("/readyz").status_code
        assert 200 == http.get("/healthz").status_code
        own_valkey.start()
        assert 200 == http.get("/readyz").status_code
        own_valkey.kill()
        answer = http.get("/readyz")
        assert (200, "unreachable") == (answer.status_code, answer.json()["redis"])
        assert 200 == http.get("/healthz").status_code


def test_redis_that_takes_no_writes(sandbox, own_valkey):
    """A worker that has never seen Redis take a write is not ready, though Redis answers."""
    with own_valkey.client() as client:
        client.config_set("min-replicas-to-write", 1)
        with RunningGateway(settings_for(sandbox, own_valkey.url)) as gateway, gateway.http() as http:
            refused = http.get("/readyz")
            client.config_set("min-replicas-to-write", 0)
            taken = http.get("/readyz")

    assert (503, "refuses_writes") == (refused.status_code, refused.json()["redis"])
    assert (200, "ok") == (taken.status_code, taken.json()["redis"])


def test_redis_away_is_never_a_401(sandbox, own_valkey):
    """While Redis is away a good key is not called wrong: 503, to be tried again."""
    with RunningGateway(settings_for(sandbox, own_valkey.url)) as gateway:
        key = gateway.key()
        own_valkey.kill()
        with gateway.http(key) as http:
            answer = http.post("/v1/images/generations", json={"prompt": "a fox"})

    assert 503 == answer.status_code
    assert "true" == answer.headers["x-should-retry"]
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert [] == sandbox.calls


def test_metrics(gateway, key):
    """A picture shows in the exposition, and so does a path that leads nowhere."""
    with gateway.openai(key) as client, gateway.http() as http:
        client.images.generate(model="V3", prompt="a fox")
        http.get("/no/such/path")
        text = http.get("/metrics").text

    assert 'gateway_images_total{model="V3",team="art"} 1.0' in text
    assert 'route="/v1/images/generations",status="200",team="art"} 1.0' in text
    assert 'outcome="not_found",route="unrouted",status="404",team=""} 1.0' in text


def test_metrics_of_a_port_of_their_own_are_not_here(sandbox, valkey_url):
    """Who gives them a listener does not want them on the one that clients reach."""
    with RunningGateway(settings_for(sandbox, valkey_url, metrics__port=9)) as gateway, gateway.http() as http:
        answer = http.get("/metrics")

    assert ("not_found", 404) == (answer.json()["error"]["code"], answer.status_code)

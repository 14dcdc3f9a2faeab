"""A gateway killed, or its client or upstream failing, in each state of a generation: what is paid, kept and told.

Each case is brought about by holding the work at that state, not by luck; `test_kills` tries its luck.
"""

import httpx
import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from tests.races.harness import Books, Gateway, ask, asking, client_of, limit, mint, submits
from tests.support.processes import until

FLUX, DALLE = 40_000, 40_000  # micro-dollars


@pytest.fixture(scope="module")
def upstream():
    with RunningSandbox(Settings(task_delay=0.3)) as running:
        yield running


@pytest.fixture(params=["own_valkey", "cluster"])
def store(request):
    """Give a Redis of one node, or a cluster of three."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def clean(upstream):
    upstream.reset()
    yield upstream
    upstream.release()


def part_states(books):
    """Read the states of the first parts of all generations that are known."""
    return sorted(record["p1"] for record in books.records().values())


def test_killed_while_reserved(store, clean, tmp_path):
    """Nothing was sent: the reservation is returned, and the retry makes the picture, once."""
    _, key = mint(store.url)
    books = Books(store)
    with Gateway(tmp_path / "a", clean, store.url, workers=1, GATEWAY_LIMITS_MAX_IN_FLIGHT="1") as gateway:
        asked = {"model": "dall-e-3", "response_format": "b64_json"}
        client = client_of(gateway.url, key)
        with asking(client, ["[[sandbox:hold]] first"], **asked) as sent:
            until(lambda: clean.stats().paid_calls == 1, "the first call")
            with asking(client, ["second"], **asked) as queued:
                until(lambda: part_states(books) == ["reserved", "sent"], "one sent and one in the queue")
                gateway.kill()
                clean.release()
                gateway.start()
                waited, lost = queued[0].result(), sent[0].result()
        booked = books.balance()

    assert (None, 1) == (waited.error, submits(clean)[waited.prompt])
    assert ("outcome_unknown", 1) == (lost.error, submits(clean)[lost.prompt])
    assert (1, 1, DALLE * 2) == (booked["images"], booked["unknown"], booked["cost"])


def test_killed_while_sent(store, clean, tmp_path):
    """The call may have been accepted: the retry is told so and buys nothing; it is charged and can be resolved."""
    _, key = mint(store.url)
    with Gateway(tmp_path / "a", clean, store.url, workers=1) as gateway:
        with asking(client_of(gateway.url, key), ["[[sandbox:hold]] fox"], model="dall-e-3") as futures:
            until(lambda: clean.stats().paid_calls == 1, "the call")
            gateway.kill()
            gateway.start()
            seen = futures[0].result()
        again = ask(client_of(gateway.url, key), "[[sandbox:hold]] fox", model="dall-e-3")
        booked = Books(store).balance()

    assert "outcome_unknown" == seen.error == again.error
    assert 1 == clean.stats().paid_calls
    assert (0, 1, DALLE) == (booked["images"], booked["unknown"], booked["cost"])


def test_killed_while_submitted(store, clean, tmp_path):
    """The task is known: another worker collects it, and the retry gets the picture; one submit, one charge."""
    _, key = mint(store.url)
    with Gateway(tmp_path / "a", clean, store.url, workers=1) as gateway:
        with asking(client_of(gateway.url, key), ["[[sandbox:task-hold]] fox"]) as futures:
            until(lambda: part_states(Books(store)) == ["submitted"], "the task")
            gateway.kill()
            clean.release()
            gateway.start()
            seen = futures[0].result()
        booked = Books(store).balance()

    assert None is seen.error
    assert 1 == clean.stats().paid_calls
    assert (1, 0, FLUX) == (booked["images"], booked["unknown"], booked["cost"])


def test_killed_with_nobody_to_come_back(store, clean, tmp_path):
    """A task whose client never returns is collected, booked and kept all the same."""
    _, key = mint(store.url)
    with Gateway(tmp_path / "a", clean, store.url, workers=1) as gateway:
        with asking(client_of(gateway.url, key, max_retries=0), ["[[sandbox:task-hold]] fox"]) as futures:
            until(lambda: part_states(Books(store)) == ["submitted"], "the task")
            gateway.kill()
            assert "APIConnectionError" == futures[0].result().error
        clean.release()
        gateway.start()
        booked = Books(store).balance()
        late = ask(client_of(gateway.url, key), "[[sandbox:task-hold]] fox")

    assert (1, 0, FLUX) == (booked["images"], booked["unknown"], booked["cost"])
    assert "hit" == late.cache
    assert 1 == clean.stats().paid_calls


def test_killed_amid_a_fan_out(store, clean, tmp_path):
    """Finished parts are kept, tasks are collected, what was never sent is not sent."""
    _, key = mint(store.url)
    books = Books(store)
    with Gateway(tmp_path / "a", clean, store.url, workers=1, GATEWAY_LIMITS_MAX_IN_FLIGHT="2") as gateway:
        clean.drill("flux-kontext-pro", "task-hold", times=1)
        with asking(client_of(gateway.url, key), ["[[sandbox:task-delay=1.5]] fox"], n=4) as futures:

            def states():
                return sorted(record.get(f"p{i}") for record in books.records().values() for i in range(1, 5))

            until(lambda: states() == ["delivered", "reserved", "submitted", "submitted"], "each state")
            gateway.kill()
            clean.release()
            gateway.start()
            seen = futures[0].result()
        booked = books.balance()

    assert (None, 3) == (seen.error, len(set(seen.pictures)))
    assert 3 == clean.stats().paid_calls
    assert (3, 0, 3 * FLUX) == (booked["images"], booked["unknown"], booked["cost"])


@pytest.mark.parametrize(
    ("drill", "booked"),
    [
        ("moderated", {"images": 0, "unknown": 0, "failures": 1, "cost": 0}),
        ("http-500", {"images": 0, "unknown": 0, "failures": 1, "cost": 0}),
        ("task-error", {"images": 0, "unknown": 0, "failures": 1, "cost": 0}),
        ("processed-then-reset", {"images": 0, "unknown": 1, "failures": 0, "cost": FLUX}),
    ],
)
def test_upstream_fails(store, clean, tmp_path, drill, booked):
    """A refusal or failure returns the reservation; an outcome that nobody knows is charged, and marked."""
    _, key = mint(store.url)
    with Gateway(tmp_path / "a", clean, store.url, workers=1) as gateway:
        seen = ask(client_of(gateway.url, key, max_retries=0), f"[[sandbox:{drill}]] fox")
        counted = Books(store).balance()

    assert seen.error
    assert booked == {what: counted[what] for what in booked}


@pytest.mark.parametrize("headers", [{}, {"cache-control": "no-store"}], ids=["shared", "no-store"])
def test_the_client_hangs_up(store, clean, tmp_path, headers):
    """Whenever the client leaves, the picture is made, stored and billed once; its retry, and nobody else, gets it."""
    _, key = mint(store.url)
    _, stranger = mint(store.url)
    body = {"model": "flux-kontext-pro", "prompt": "[[sandbox:task-delay=1]] fox"}
    with Gateway(tmp_path / "a", clean, store.url) as gateway:
        url = f"{gateway.url}/v1/images/generations"

        def post(secret, **more):
            return httpx.post(
                url, json=body, headers={"authorization": f"Bearer {secret}"} | headers | more, timeout=30
            )

        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json=body, headers={"authorization": f"Bearer {key}"} | headers, timeout=0.7)
        Books(store).balance()
        answer = post(key, **{"x-stainless-retry-count": "1"})
        other = post(stranger, **{"x-stainless-retry-count": "1"}) if headers else None
        booked = Books(store).balance()

    assert 200 == answer.status_code
    assert ("joined" if headers else "hit") == answer.headers["x-gateway-cache"]
    assert "0" == answer.headers["x-gateway-cost-usd"]
    if other is not None:
        assert "bypass" == other.headers["x-gateway-cache"]
    assert (2 if headers else 1) == booked["images"] == clean.stats().paid_calls


def test_limits_hold_for_what_other_gateways_lose(store, clean, tmp_path):
    """A kill with a reservation open does not deny what the budget still allows, once the lease is over."""
    _, key = mint(store.url)
    limit(store, "art", budget_per_month=2 * FLUX)
    with Gateway(tmp_path / "a", clean, store.url, workers=1, GATEWAY_LIMITS_MAX_IN_FLIGHT="1") as gateway:
        with asking(client_of(gateway.url, key, max_retries=0), ["[[sandbox:task-hold]] a", "b"]) as futures:
            until(lambda: part_states(Books(store)) == ["reserved", "submitted"], "both states")
            gateway.kill()
            assert {"APIConnectionError"} == {future.result().error for future in futures}
        clean.release()
        gateway.start()
        Books(store).balance()
        last = ask(client_of(gateway.url, key), "c")
        over = ask(client_of(gateway.url, key), "d")
        booked = Books(store).balance()

    assert (None, "insufficient_quota") == (last.error, over.error)
    assert (2, 2 * FLUX) == (booked["images"], booked["cost"])

"""What is bought once, however often it is asked for: idempotency keys, lost answers, clients that left."""

import contextlib
import json
import re
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.support.asking import FOX, Asker, picture, told
from tests.support.gateway import RunningGateway, envelope, message, settings_for

JOINED = 'gateway_admissions_total{verdict="join"} 1.0'


@pytest.fixture
def ask(gateway, key):
    """Ask the gateway with the key."""
    with gateway.http(key) as http:
        yield Asker(http)


def test_an_idempotency_key_replays_whatever_the_policy(ask, sandbox):
    """The same key and body is the same picture, at no cost, even where nothing is to be cached."""
    headers = {"idempotency_key": "order-1", "cache_control": "no-store"}
    first, second = ask(**headers), ask({"prompt": "a fox", "model": "V3"}, **headers)

    assert picture(first) == picture(second)
    assert [("bypass", "0.06"), ("joined", "0")] == [told(first), told(second)]
    assert 1 == sandbox.stats().paid_calls


def test_an_idempotency_key_belongs_to_one_body(ask, sandbox):
    """Another body under the same key is a 409 that no SDK repeats."""
    ask(idempotency_key="order-1")
    other = ask(FOX | {"n": 2}, idempotency_key="order-1")

    assert (409, "invalid_request_error", "idempotency_key_reused", None) == envelope(other)
    assert "false" == other.headers["x-should-retry"]
    assert 1 == sandbox.stats().paid_calls


def test_two_idempotency_keys_are_refused(gateway, key, sandbox):
    """For either could be the one that was bought under."""
    lines = [("idempotency-key", "order-1"), ("idempotency-key", "order-2")]
    with gateway.http(key) as http:
        answer = http.post("/v1/images/generations", json=FOX, headers=lines)

    assert (400, "invalid_request_error", "invalid_value", "Idempotency-Key") == envelope(answer)
    assert "2 of them" in message(answer)
    assert 0 == sandbox.stats().paid_calls


def test_an_idempotency_key_belongs_to_one_api_key(gateway, ask):
    """Another key may use the same word for something else."""
    ask(idempotency_key="order-1", cache_control="no-store")
    with gateway.http(gateway.key()) as http:
        other = Asker(http)(FOX | {"prompt": "a hen"}, idempotency_key="order-1")

    assert "miss" == told(other)[0]


def test_an_idempotency_key_joins_what_is_under_way(gateway, key, sandbox):
    """Whatever the policy: one purchase."""
    sandbox.drill("V3", "hold")
    headers = {"idempotency_key": "order-1", "cache_control": "no-store"}
    with gateway.http(key) as http, ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(Asker(http), **headers) for _ in range(2)]
        sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls)
        sandbox.wait_for(lambda: Asker(http).sees(JOINED))
        sandbox.release()
        caches = sorted(told(answer.result())[0] for answer in answers)

    assert ["bypass", "joined"] == caches
    assert 1 == sandbox.stats().paid_calls


def hours(valkey):
    """Tell how many hours each picture's bytes have left, to the nearest."""
    with valkey.client() as redis:
        return [round(redis.ttl(name) / 3600) for name in redis.keys("blob:*")]


def test_an_idempotency_key_keeps_a_hit(ask, sandbox, valkey):
    """As long as itself, though what was hit is kept for less."""
    ask()
    assert [1] == hours(valkey)
    assert "hit" == told(ask(idempotency_key="order-1"))[0]
    sandbox.wait_for(lambda: [24] == hours(valkey))


def test_an_idempotency_key_keeps_what_it_joined(ask, sandbox, valkey):
    """As long as itself, though who bought it named no key."""
    sandbox.drill("V3", "hold")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask)
        sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls)
        second = pool.submit(ask, idempotency_key="order-1")
        sandbox.wait_for(lambda: ask.sees(JOINED))
        sandbox.release()
    assert {"miss", "joined"} == {told(first.result())[0], told(second.result())[0]}
    sandbox.wait_for(lambda: [24] == hours(valkey))


@pytest.mark.parametrize("drill", ["moderated", "http-500"])
def test_an_idempotency_key_does_not_remember_failures(ask, sandbox, drill):
    """What failed cleanly may be tried again under the same key, with another body even."""
    sandbox.drill("V3", drill)
    failed = ask(idempotency_key="order-1")
    made = ask(FOX | {"prompt": "a hen"}, idempotency_key="order-1")

    assert 400 <= failed.status_code < 600
    assert "miss" == told(made)[0]


def test_an_idempotency_key_remembers_what_is_unknown(ask, sandbox):
    """The same key never buys again what may have been bought; a new one does."""
    body = FOX | {"prompt": "a fox [[sandbox:slow=0]]"}
    sandbox.drill("V3", "processed-then-reset")
    answers = [ask(body, idempotency_key="order-1") for _ in range(2)]
    anew = ask(body, idempotency_key="order-1", cache_control="no-cache")
    other = ask(body, idempotency_key="order-2")

    assert [(502, "server_error", "outcome_unknown", None)] * 3 == [envelope(answer) for answer in (*answers, anew)]
    assert "miss" == told(other)[0]
    assert 2 == sandbox.stats().paid_calls


def test_an_idempotency_key_whose_pictures_are_gone(sandbox, valkey_url, own_valkey):
    """It is told that they were delivered before; nothing is bought under that key."""
    settings = settings_for(sandbox, valkey_url, blobs__url=own_valkey.url, cache__memory_bytes=0)
    with RunningGateway(settings) as gateway, gateway.http(gateway.key()) as http:
        ask = Asker(http)
        ask(idempotency_key="order-1")
        with own_valkey.client() as redis:
            redis.flushall()
        gone = ask(idempotency_key="order-1")

    assert (409, "invalid_request_error", "idempotency_result_gone", None) == envelope(gone)
    assert 1 == sandbox.stats().paid_calls


@pytest.mark.parametrize("word", ["", "k" * 256])
def test_an_idempotency_key_of_no_use_is_a_400(ask, sandbox, word):
    """Before anything is spent."""
    assert (400, "invalid_request_error", "invalid_value", "Idempotency-Key") == envelope(ask(idempotency_key=word))
    assert [] == sandbox.calls


def test_what_may_have_been_bought_is_held_back(gateway, ask, sandbox):
    """After a lost answer identical requests are a 502 that buys nothing; `no-cache` buys at once, and so it is told.

    That holds for all keys of the team, and for the retries of an SDK that was told to buy anew.
    """
    sandbox.drill("V3", "processed-then-reset")
    lost = ask()
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key(), max_retries=2) as client,
        pytest.raises(openai.InternalServerError) as held_back,
    ):
        client.images.generate(**FOX)
    retry = ask(cache_control="no-cache", x_stainless_retry_count="1")
    calls = len(sandbox.calls)
    anew = ask(cache_control="no-cache")

    assert (502, "server_error", "outcome_unknown", None) == envelope(lost)
    assert "outcome_unknown" == held_back.value.code
    assert "no-cache" in held_back.value.message
    assert (502, 1) == (retry.status_code, calls)
    assert "bypass" == told(anew)[0]
    assert ("hit", 200) == (told(ask())[0], ask().status_code)


@pytest.mark.parametrize("form", ["plain", "event stream", "late event stream"])
def test_an_answer_that_breaks_off_is_collected(sandbox, valkey_url, valkey, form):
    """A client that is gone amid its unshared picture, which no cache keeps, gets it by its retry, bought once."""
    is_late = form == "late event stream"
    prompt = "a fox [[sandbox:slow=0.5]]" if is_late else "a fox"
    wish = {"model": "doubao-seedream-4-0-250828", "size": "4096x4096", "prompt": prompt, "stream": form != "plain"}
    wish["response_format"] = "b64_json"
    gateway = RunningGateway(settings_for(sandbox, valkey_url, server__stream_keepalive_s=0.1 if is_late else 15))
    gateway.narrow()
    with gateway:
        key = gateway.key()
        body = json.dumps(wish).encode()
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
            raw.sendall(head(key, len(body)) + body)
            received = b""
            while not re.search(rb'b64_json":\s*"....', received):
                received += raw.recv(100)
        with valkey.client() as redis:
            sandbox.wait_for(lambda: [1] == [redis.hexists(name, "left") for name in redis.keys("*:gen:*")])
        with gateway.http(key) as http:
            retry = Asker(http)(wish, cache_control="no-store", x_stainless_retry_count="1")

    assert (200, "joined") == (retry.status_code, retry.headers["x-gateway-cache"])
    assert len(retry.content) > 200_000  # more than all that lies between the gateway and a client that does not read
    assert 1 == sandbox.stats().paid_calls


@contextlib.contextmanager
def reset_amid(gateway, key, wish, *, before):
    """Ask on a connection of our own, wait until `before`, and reset it without having read the rest."""
    body = json.dumps(wish).encode()
    with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as raw:
        raw.sendall(head(key, len(body)) + body)
        before(raw)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    yield


@pytest.mark.parametrize("streams", [False, True])
def test_a_retry_after_a_reset_is_not_bought_again(gateway, key, sandbox, streams):
    """Though the gateway had sent all of the small answer: who resets instead of reading it says so by retrying.

    At once, with nothing in between; and a request that does not say that it is a retry gets a picture of its own.
    """
    wish = FOX | {"response_format": "b64_json", "stream": streams}
    with gateway.http(key) as http:
        asker = Asker(http)
        for number in range(8):
            mine = wish | {"prompt": f"fox {number}"}
            with reset_amid(gateway, key, mine, before=lambda raw: raw.recv(1)):
                retry = asker(mine, cache_control="no-store", x_stainless_retry_count="1")
            assert (200, "joined") == (retry.status_code, retry.headers["x-gateway-cache"])
        assert 8 == sandbox.stats().paid_calls
        with reset_amid(gateway, key, wish, before=lambda raw: raw.recv(1)):
            another = asker(wish, cache_control="no-store")

    assert "bypass" == another.headers["x-gateway-cache"]
    assert 10 == sandbox.stats().paid_calls


def test_a_retry_at_once_joins_what_its_client_has_left(gateway, key, sandbox):
    """However fast it is."""
    sandbox.drill("V3", "hold", times=8)
    with gateway.http(key) as http, ThreadPoolExecutor(1) as pool:
        for number in range(8):
            wish = FOX | {"prompt": f"fox {number}"}

            def bought(_, number=number):
                sandbox.wait_for(lambda: number + 1 == sandbox.stats().paid_calls)

            with reset_amid(gateway, key, wish, before=bought):
                retry = pool.submit(Asker(http), wish, cache_control="no-store", x_stainless_retry_count="1")
            sandbox.wait_for(
                lambda number=number: Asker(http).sees(f'gateway_admissions_total{{verdict="join"}} {number + 1}.0')
            )
            sandbox.release()
            assert "joined" == told(retry.result())[0]

    assert 8 == sandbox.stats().paid_calls


def head(key, length):
    return (
        "POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncache-control: no-store\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("headers", [{}, {"cache_control": "no-store"}], ids=["shared", "unshared"])
def test_a_client_that_left_collects_what_it_paid_for(ask, sandbox, headers):
    """Without a retry count, within a minute: the same picture, one purchase."""
    sandbox.drill("V3", "hold")
    ask.leaves(**headers)
    sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls and 'status="499"' in ask.http.get("/metrics").text)
    sandbox.release()

    assert "joined" == told(ask(**headers))[0]
    assert 1 == sandbox.stats().paid_calls


def test_words_for_a_key_that_was_used_before(ask):
    """They say what to do."""
    ask(idempotency_key="order-1")
    assert "another body" in message(ask(FOX | {"n": 2}, idempotency_key="order-1"))

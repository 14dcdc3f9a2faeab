"""When a repeated request returns the same picture, and when it does not."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.api.caching import idempotency_of, policy_of
from gateway.errors import InvalidRequest
from gateway.generation.admission import Policy
from tests.support.asking import FOX, Asker, picture, told
from tests.support.gateway import RunningGateway, envelope, settings_for

JOINED = 'gateway_admissions_total{verdict="join"} 1.0'


@pytest.mark.parametrize(
    ("header", "policy"),
    [
        (None, Policy()),
        ("", Policy()),
        ("public, must-revalidate", Policy()),
        ("no-cache", Policy(reads=False, anew=True)),
        ("NO-CACHE", Policy(reads=False, anew=True)),
        ("no-store", Policy(reads=False, stores=False)),
        ("no-cache, no-store", Policy(reads=False, stores=False, anew=True)),
        (" no-store ,max-age=0", Policy(reads=False, stores=False, max_age_s=0)),
        ("max-age=60", Policy(max_age_s=60)),
        ('max-age="60"', Policy(max_age_s=60)),
        ("max-age=99999999999999999999", Policy(max_age_s=10**9)),
        ("no-storefront, x-no-cache", Policy()),
    ],
)
def test_the_header_is_read_as_the_standard_says(header, policy):
    """In any case and order, quoted or not; what has no meaning here is ignored."""
    assert policy == policy_of([] if header is None else [header])


@pytest.mark.parametrize("last", ["no-store", "no-cache", "max-age=0"])
def test_every_line_of_the_header_counts(gateway, key, last):
    """One that a proxy or an SDK adds takes nothing away from the next."""
    with gateway.http(key) as http:
        http.post("/v1/images/generations", json=FOX)
        lines = [("cache-control", "max-age=600"), ("cache-control", last)]
        answer = http.post("/v1/images/generations", json=FOX, headers=lines)

    assert answer.headers["x-gateway-cache"] in {"bypass", "miss"}


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "٣"])
def test_an_age_that_is_no_number_is_told(value):
    """It would else be taken for "any age"."""
    with pytest.raises(InvalidRequest) as wrong:
        policy_of([f"max-age={value}"])

    assert "Cache-Control" == wrong.value.param


def test_idempotency_keys_are_hashed_with_their_body():
    """The same body in another order is the same; another body, or another key, is not."""
    key, body = idempotency_of(["k"], {"a": 1, "b": [2]})

    assert (64, 64) == (len(key), len(body))
    assert (key, body) == idempotency_of(["k"], {"b": [2], "a": 1})
    assert body != idempotency_of(["k"], {"a": 1, "b": [3]})[1]
    assert key != idempotency_of(["K"], {"a": 1, "b": [2]})[0]
    assert ("", "") == idempotency_of([], {"a": 1})


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_of_no_use_is_told(key):
    """Empty and endless ones would match what they should not, or nothing."""
    with pytest.raises(InvalidRequest) as wrong:
        idempotency_of([key], {})

    assert "Idempotency-Key" == wrong.value.param


@pytest.fixture
def ask(gateway, key):
    """Ask the gateway with the key."""
    with gateway.http(key) as http:
        yield Asker(http)


def test_a_repeated_request_gets_the_same_picture(ask, sandbox):
    """The second is a hit: the same bytes, no cost, an age, the same generation's id, and no call."""
    first, second = ask(), ask()

    assert picture(first) == picture(second)
    assert [("miss", "0.06"), ("hit", "0")] == [told(first), told(second)]
    assert (None, "0") == (first.headers.get("age"), second.headers["age"])
    assert first.headers["x-gateway-generation-id"] == second.headers["x-gateway-generation-id"]
    assert 1 == sandbox.stats().paid_calls


def test_the_official_client_sees_no_difference(gateway, key, sandbox):
    """A hit has everything that the picture had when it was made, its usage and revised prompt included."""
    with gateway.openai(key) as client:
        first, second = (
            client.images.generate(model="gpt-image-1", prompt="a fox", output_format="webp") for _ in range(2)
        )

    assert first.model_dump(exclude={"created"}) == second.model_dump(exclude={"created"})
    assert 1 == sandbox.stats().paid_calls


@pytest.mark.parametrize("first_form", ["url", "b64_json"])
def test_one_entry_serves_both_forms(ask, sandbox, first_form):
    """Made as one, replayed as the other, after upstream's own link has died."""
    forms = {first_form, "url", "b64_json"}
    made = ask(FOX | {"prompt": "[[sandbox:url-life=5]]", "response_format": first_form})
    sandbox.reset()
    again = {form: ask(FOX | {"prompt": "[[sandbox:url-life=5]]", "response_format": form}) for form in forms}

    assert "miss" == told(made)[0]
    assert {"hit"} == {told(answer)[0] for answer in again.values()}
    assert ask.http.get(picture(again["url"])).content == base64.b64decode(picture(again["b64_json"]))
    assert [] == sandbox.calls


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "a Fox"},
        {"n": 2},
        {"size": "1792x1024"},
        {"seed": 7},
        {"output_format": "webp"},
        {"model": "dall-e-3"},
    ],
)
def test_another_wish_is_another_picture(ask, sandbox, other):
    """Whatever changes what upstream is asked for, or how the picture is encoded, is not answered from the cache."""
    ask()
    assert "miss" == told(ask(FOX | other))[0]
    assert 1 < sandbox.stats().paid_calls


@pytest.mark.parametrize(
    "same",
    [{"n": 1}, {"n": None}, {"response_format": "url"}, {"user": "ann"}, {"style": "vivid"}, {"model": "ideogram/V3"}],
)
def test_what_does_not_reach_the_model_makes_no_difference(ask, sandbox, same):
    """Defaults spelt out, aliases, and what the model does not know."""
    ask()
    assert "hit" == told(ask(FOX | same))[0]
    assert 1 == sandbox.stats().paid_calls


def test_the_cache_is_the_teams(gateway, ask, sandbox):
    """Another key of the team gets the hit; another team makes its own."""
    ask()
    with gateway.http(gateway.key()) as mate, gateway.http(gateway.key(team="maths")) as stranger:
        assert ["hit", "miss"] == [told(Asker(http)())[0] for http in (mate, stranger)]

    assert 2 == sandbox.stats().paid_calls


def test_no_cache_makes_anew_and_replaces(ask, sandbox):
    """The new picture is what later requests get."""
    old, new, later = ask(), ask(cache_control="no-cache"), ask()

    assert picture(old) != picture(new) == picture(later)
    assert [("bypass", "0.06"), ("hit", "0")] == [told(new), told(later)]
    assert 2 == sandbox.stats().paid_calls


def test_no_store_makes_anew_and_keeps_nothing(ask, sandbox):
    """Twice is two pictures, and neither is what later requests get."""
    first, second, later = ask(cache_control="no-store"), ask(cache_control="no-store"), ask()

    assert 3 == len({picture(first), picture(second), picture(later)})
    assert ["bypass", "bypass", "miss"] == [told(answer)[0] for answer in (first, second, later)]
    assert 3 == sandbox.stats().paid_calls


def test_max_age_takes_only_younger_ones(ask, valkey):
    """An entry that is too old for this request is replaced; one that is young enough is a hit."""
    old = ask()
    with valkey.client() as redis:
        (entry,) = redis.keys("{art}:cache:*")
        redis.hincrby(entry, "at", -10_000)
    hit, new = ask(cache_control="max-age=60"), ask(cache_control="max-age=5")

    assert (picture(old), "hit", 10) == (picture(hit), told(hit)[0], int(hit.headers["age"]))
    assert "miss" == told(new)[0]
    assert picture(new) == picture(ask(cache_control="max-age=5"))


def test_an_age_that_is_none_is_a_400(ask, sandbox):
    """Before anything is spent."""
    assert (400, "invalid_request_error", "invalid_value", "Cache-Control") == envelope(ask(cache_control="max-age=x"))
    assert [] == sandbox.calls


def test_a_key_without_a_cache(gateway, ask, sandbox):
    """Its requests each make their own, and what they make is nobody else's either."""
    with gateway.http(gateway.key(no_cache=True)) as http:
        assert ["bypass", "bypass"] == [told(Asker(http)())[0] for _ in range(2)]

    assert "miss" == told(ask())[0]
    assert 3 == sandbox.stats().paid_calls


def test_a_key_that_never_replays(gateway, sandbox):
    """A time of zero is no cache."""
    with gateway.http(gateway.key(cache_ttl_s=0)) as http:
        assert ["bypass", "bypass"] == [told(Asker(http)())[0] for _ in range(2)]

    assert 2 == sandbox.stats().paid_calls


def test_an_operator_without_a_cache(sandbox, valkey_url):
    """`cache.ttl_s` of 0 is never for everybody."""
    with (
        RunningGateway(settings_for(sandbox, valkey_url, cache__ttl_s=0)) as gateway,
        gateway.http(gateway.key()) as http,
    ):
        assert ["bypass", "bypass"] == [told(Asker(http)())[0] for _ in range(2)]


def test_what_was_delivered_in_part_is_not_cached(ask, sandbox):
    """Two of three pictures were refused: the next request asks for all three anew."""
    sandbox.drill("V3", "moderated", times=2)
    first, second, third = (ask(FOX | {"n": 3}) for _ in range(3))

    assert [1, 3, 3] == [len(answer.json()["data"]) for answer in (first, second, third)]
    assert ["miss", "miss", "hit"] == [told(answer)[0] for answer in (first, second, third)]


@pytest.mark.parametrize("drill", ["moderated", "http-500", "http-401"])
def test_failures_are_not_cached(ask, sandbox, drill):
    """A refusal or a failure is of that moment: the next request is sent upstream."""
    sandbox.drill("V3", drill)
    failed, made = ask(), ask()

    assert 400 <= failed.status_code < 600
    assert ("miss", "0.06") == told(made)


@pytest.mark.parametrize("form", ["url", "b64_json"])
def test_bytes_that_were_evicted_are_made_anew(sandbox, valkey_url, own_valkey, form):
    """The index still has the picture, the blobs server does not: never an error, and the new one is cached."""
    settings = settings_for(sandbox, valkey_url, blobs__url=own_valkey.url, cache__memory_bytes=0)
    with RunningGateway(settings) as gateway, gateway.http(gateway.key()) as http:
        ask = Asker(http)
        ask(FOX | {"response_format": form})
        with own_valkey.client() as redis:
            redis.flushall()
        again, later = ask(FOX | {"response_format": form}), ask(FOX | {"response_format": form})

    assert ["miss", "hit"] == [told(again)[0], told(later)[0]]
    assert 2 == sandbox.stats().paid_calls


def test_identical_requests_at_once_share_one(gateway, key, sandbox):
    """While the first is being made a second joins it, free of charge."""
    sandbox.drill("V3", "hold")
    with gateway.openai(key) as client, gateway.http(key) as http, ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(lambda: client.images.with_raw_response.generate(**FOX)) for _ in range(2)]
        sandbox.wait_for(lambda: 1 == sandbox.stats().paid_calls and Asker(http).sees(JOINED))
        sandbox.release()
        replies = [answer.result() for answer in answers]

    assert {("miss", "0.06"), ("joined", "0")} == {told(reply) for reply in replies}
    assert 1 == len({reply.parse().data[0].b64_json for reply in replies})
    assert 1 == sandbox.stats().paid_calls


def test_an_operator_who_joins_retries_only(sandbox, valkey_url):
    """With `cache.join = "retries"` equal requests at once each make their own; a retry joins."""
    settings = settings_for(sandbox, valkey_url, cache__join="retries")
    sandbox.drill("V3", "hold", times=2)
    with RunningGateway(settings) as gateway, gateway.http(gateway.key()) as http, ThreadPoolExecutor(3) as pool:
        ask = Asker(http)
        answers = [pool.submit(ask) for _ in range(2)]
        sandbox.wait_for(lambda: 2 == sandbox.stats().paid_calls)
        answers.append(pool.submit(ask, x_stainless_retry_count="1"))
        sandbox.wait_for(lambda: Asker(http).sees(JOINED))
        sandbox.release()
        caches = sorted(told(answer.result())[0] for answer in answers)

    assert ["joined", "miss", "miss"] == caches
    assert 2 == sandbox.stats().paid_calls

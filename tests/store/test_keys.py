import pytest

from gateway.errors import InvalidRequest, NotFound, Unauthenticated, Unavailable
from gateway.store import apikey
from gateway.store.identity import Identity
from gateway.store.key_record import KeyChanges
from gateway.store.keys import Keys, Principal
from gateway.store.limits import Limits
from tests.support.valkey import everything_in, gateway_client

NOW = 1_800_000_000  # 2027-01-15 08:00 UTC


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["valkey_url", "cluster_url"])
async def any_redis(request):
    client = gateway_client(request.getfixturevalue(request.param))
    yield client
    await client.aclose()


@pytest.fixture
def keys(any_redis, clock):
    return Keys(any_redis, clock=clock)


@pytest.fixture
def keys_of_one(redis_client, clock):
    return Keys(redis_client, clock=clock)


@pytest.fixture
async def nowhere():
    client = gateway_client("unix:///nowhere")
    yield client
    await client.aclose()


async def refusal(keys, presented):
    with pytest.raises(Unauthenticated) as refused:
        await keys.authenticate(presented)
    assert (refused.value.status, refused.value.type, refused.value.param) == (401, "invalid_request_error", None)
    return refused.value


def with_another_secret(key):
    return key[:-4] + ("aaaa" if not key.endswith("aaaa") else "bbbb")


async def test_a_new_key_opens_the_door_with_its_rights(keys):
    """Who presents it is known by key, team, name, models and cache policy."""
    made = await keys.create("art-dept", "laptop", models=["gpt-image-1", "V3", "V3"], no_cache=True)
    assert await keys.authenticate(made.secret) == Principal(
        key_id=made.id, team="art-dept", name="laptop", models=("gpt-image-1", "V3"), no_cache=True
    )


async def test_a_secret_is_nowhere_at_rest_and_in_no_repr(keys_of_one, valkey):
    """Redis holds a hash only: nothing of the secret but what every key begins with."""
    made = await keys_of_one.create("t", "n")
    rotated = await keys_of_one.rotate(made.id, 60)
    held = everything_in(valkey)
    for key in (made, rotated):
        secret = key.secret.rsplit("-", 1)[1]
        assert key.id in held
        assert secret not in held
        assert secret[:8] not in held
        assert secret not in repr(key)


async def test_the_layout_keeps_what_changes_in_the_slot_of_the_team(keys, any_redis):
    """Identity under the id alone, everything else under the team's tag, and indexes to list by."""
    limits = Limits(images_per_day=7, budget_per_month=12_500_000)
    made = await keys.create("t", "n", expires_s=90, models=["a", "b"], limits=limits)
    assert await any_redis.hgetall(f"key:{made.id}") == {
        b"team": b"t",
        b"sha256": apikey.digest(made.secret).hex().encode(),
    }
    assert await any_redis.hgetall(f"{{t}}:key:{made.id}") == {
        b"name": b"n",
        b"created": str(NOW).encode(),
        b"expires": str(NOW + 90).encode(),
        b"revoked": b"",
        b"replaced_by": b"",
        b"prefix": f"sk-gw-{made.id}".encode(),
        b"models": b"a,b",
        b"no_cache": b"",
        b"cache_ttl_s": b"",
        b"used": b"",
        b"requests_per_minute": b"",
        b"images_per_day": b"7",
        b"budget_per_month": b"12500000",
        b"max_concurrent": b"",
    }
    assert await any_redis.hgetall("{t}:team") == {b"created": str(NOW).encode()}
    assert await any_redis.zrange("{t}:keys", 0, -1) == [made.id.encode()]
    assert await any_redis.smembers("teams") == {b"t"}


async def test_no_key_at_all_is_told_in_openais_words(keys):
    """The code is null, as OpenAI sends it."""
    error = await refusal(keys, "")
    assert error.message.startswith(
        "You didn't provide an API key. You need to provide your API key in an Authorization"
    )
    assert error.code is None


async def test_a_wrong_key_is_told_in_openais_words_and_masked(keys):
    """A wrong secret, an unknown id and a foreign key read alike, and none is repeated in full."""
    made = await keys.create("t")
    unknown = apikey.mint()[1]
    for presented in (with_another_secret(made.secret), unknown, "sk-proj-" + "a" * 40, "hunter2"):
        error = await refusal(keys, presented)
        assert error.message == (
            f"Incorrect API key provided: {apikey.masked(presented)}. Ask the operator of this gateway for a key."
        )
        assert error.code == "invalid_api_key"


async def test_secrets_are_compared_in_constant_time(keys, monkeypatch):
    """A check of a known id goes through the constant-time comparison and heeds it."""
    made = await keys.create("t")
    monkeypatch.setattr("hmac.compare_digest", lambda _a, _b: False)
    await refusal(keys, made.secret)


async def test_a_revoked_key_is_refused_at_once_by_a_worker_that_knows_it(keys, any_redis, clock):
    """A warm memory of its identity does not keep a key alive."""
    elsewhere = Keys(any_redis, clock=clock)
    made = await keys.create("t")
    await elsewhere.authenticate(made.secret)
    await keys.revoke(made.id)
    error = await refusal(elsewhere, made.secret)
    assert "This key was revoked on 2027-01-15 08:00 UTC." in error.message
    assert error.code == "invalid_api_key"


async def test_a_key_expires_to_the_second(keys, clock):
    """It counts until its end, and not at it."""
    made = await keys.create("t", expires_s=3600)
    clock.now = NOW + 3599.9
    assert (await keys.authenticate(made.secret)).team == "t"
    clock.now = NOW + 3600
    assert "This key expired on 2027-01-15 09:00 UTC." in (await refusal(keys, made.secret)).message


async def test_only_the_holder_of_the_secret_learns_that_a_key_ended(keys, clock):
    """Whoever has only the id is told nothing about it."""
    revoked = await keys.create("t")
    await keys.revoke(revoked.id)
    expired = await keys.create("t", expires_s=1)
    clock.now += 10
    for made in (revoked, expired):
        message = (await refusal(keys, with_another_secret(made.secret))).message
        assert "revoked" not in message
        assert "expired" not in message


async def test_a_known_key_costs_one_command_and_an_unknown_id_none(keys_of_one, redis_client, clock):
    """Identity is remembered, rights are read on each use; an unknown id is asked for once in its short memory."""

    async def asked():
        return (await redis_client.info("commandstats"))["cmdstat_hgetall"]["calls"]

    made, unknown = await keys_of_one.create("t"), apikey.mint()[1]
    for presented, first, again in ((made.secret, 2, 1), (unknown, 1, 0)):
        for cost in (first, again):
            await redis_client.config_resetstat()
            await redis_client.hgetall("none")
            if presented == made.secret:
                await keys_of_one.authenticate(presented)
            else:
                await refusal(keys_of_one, presented)
            assert await asked() == 1 + cost
    clock.now += 6
    await refusal(keys_of_one, unknown)
    assert await asked() == 2


async def test_a_flood_of_unknown_ids_is_remembered_in_bounded_number(redis_client, clock):
    """And it does not drive out the keys that are known."""
    keys = Keys(redis_client, clock=clock, unknown_size=10, known_size=2)
    made = await keys.create("t")
    await keys.authenticate(made.secret)
    for _ in range(200):
        await refusal(keys, apikey.mint()[1])
    assert len(keys._identities._unknown) == 10
    assert len(keys._identities._known) == 1


async def test_redis_away_is_never_a_401(nowhere):
    """A key that cannot be checked is a 503 with retry-after."""
    keys = Keys(nowhere)
    for call in (
        keys.authenticate(apikey.mint()[1]),
        keys.create("t"),
        keys.list(),
        keys.list("t"),
        keys.show("a" * 12),
    ):
        with pytest.raises(Unavailable) as unavailable:
            await call
        assert (unavailable.value.code, unavailable.value.retry_after) == ("redis_unavailable", 1.0)


async def test_redis_dying_under_a_known_key_is_a_503(own_valkey):
    """Remembering who someone is does not stand in for reading whether the key still counts."""
    client = gateway_client(own_valkey.url)
    keys = Keys(client)
    made = await keys.create("t")
    await keys.authenticate(made.secret)
    own_valkey.kill()
    with pytest.raises(Unavailable):
        await keys.authenticate(made.secret)
    await client.aclose()


async def test_a_known_key_is_identified_even_while_redis_is_away(own_valkey):
    """Whose it is was remembered; an unknown one is a 503, for nobody can tell, and a wrong secret still a 401."""
    client = gateway_client(own_valkey.url)
    keys = Keys(client)
    made = await keys.create("t")
    await keys.identify(made.secret)
    own_valkey.kill()
    assert await keys.identify(made.secret) == Identity(made.id, "t")
    with pytest.raises(Unauthenticated):
        await keys.identify(with_another_secret(made.secret))
    with pytest.raises(Unavailable):
        await keys.identify(apikey.mint()[1])
    await client.aclose()


async def test_identifying_a_known_key_costs_no_command(keys_of_one, redis_client):
    """And does not ask whether the key counts: a revoked one is identified."""
    made = await keys_of_one.create("t")
    await keys_of_one.revoke(made.id)
    await keys_of_one.identify(made.secret)
    await redis_client.config_resetstat()
    assert await keys_of_one.identify(made.secret) == Identity(made.id, "t")
    assert "cmdstat_hgetall" not in await redis_client.info("commandstats")


async def test_a_redis_that_lost_its_data_opens_nothing(keys, any_redis):
    """A remembered identity without rights is refused like an unknown key."""
    made = await keys.create("t")
    await keys.authenticate(made.secret)
    await any_redis.flushall()
    await refusal(keys, made.secret)


async def test_keys_are_listed_by_team_oldest_first_without_a_scan(keys_of_one, redis_client, clock):
    """One team's, or all; an index leads to them."""
    made = []
    for team in ("zoo", "art", "zoo"):
        made.append((await keys_of_one.create(team, name=f"of {team}")).id)
        clock.now += 1
    assert [key.id for key in await keys_of_one.list("zoo")] == [made[0], made[2]]
    assert [(key.id, key.team) for key in await keys_of_one.list()] == [
        (made[1], "art"),
        (made[0], "zoo"),
        (made[2], "zoo"),
    ]
    assert await keys_of_one.list("nobody") == ()
    await keys_of_one.revoke(made[0])
    await keys_of_one.rotate(made[2])
    stats = await redis_client.info("commandstats")
    assert not {"cmdstat_scan", "cmdstat_keys", "cmdstat_sscan", "cmdstat_hscan", "cmdstat_zscan"} & set(stats)
    assert "cmdstat_hgetall" in stats


async def test_show_tells_all_but_the_secret(keys, clock):
    """And its state on a given clock."""
    made = await keys.create("t", "n", expires_s=90)
    shown = await keys.show(made.id)
    assert (shown.id, shown.team, shown.name, shown.prefix) == (made.id, "t", "n", f"sk-gw-{made.id}")
    assert (shown.created, shown.expires, shown.revoked, shown.models) == (NOW, NOW + 90, None, ())
    assert not hasattr(shown, "secret")
    assert [shown.state(NOW + later) for later in (0, 89, 90)] == ["active", "active", "expired"]
    clock.now += 100
    assert (await keys.revoke(made.id)).state(NOW) == "revoked"


async def test_an_unknown_id_is_not_found(keys):
    """The message says where the ids are."""
    for call in (keys.show, keys.revoke, keys.rotate):
        with pytest.raises(NotFound, match="There is no key 'abcdef012345': `gateway keys list` shows them all"):
            await call("abcdef012345")


async def test_revoking_again_keeps_the_first_time(keys, clock):
    """When a key ended is a fact that a second command does not change."""
    made = await keys.create("t")
    await keys.revoke(made.id)
    clock.now += 500
    assert (await keys.revoke(made.id)).revoked == NOW


async def test_rotating_replaces_a_key_and_its_rights_and_ends_the_old(keys, any_redis, clock):
    """Team, name, models, limits and length of life carry over; without grace the old key is refused at once."""
    limits = Limits(1, 2, 3, 4)
    old = await keys.create("t", "n", 100, ["V3"], no_cache=True, cache_ttl_s=60, limits=limits)
    await any_redis.hset(f"{{t}}:key:{old.id}", "used", str(NOW))
    clock.now += 40
    new = await keys.rotate(old.id)
    assert (new.team, new.name, new.models, new.no_cache) == ("t", "n", ("V3",), True)
    assert (new.cache_ttl_s, new.limits, new.used, new.replaced_by) == (60, limits, None, None)
    assert (await keys.show(new.id)).limits == limits
    assert (new.created, new.expires) == (NOW + 40, NOW + 140)
    assert new.id != old.id
    assert (await keys.authenticate(new.secret)).key_id == new.id
    assert "was revoked" in (await refusal(keys, old.secret)).message
    assert (await keys.show(old.id)).replaced_by == new.id
    assert {key.id for key in await keys.list("t")} == {old.id, new.id}


async def test_rotating_with_grace_lets_both_keys_count_for_a_while(keys, clock):
    """The old key ends with its grace, the new one does not."""
    old = await keys.create("t")
    new = await keys.rotate(old.id, grace_s=60)
    assert new.expires is None
    clock.now += 59
    assert (await keys.authenticate(old.secret)).key_id == old.id
    clock.now += 1
    assert "expired" in (await refusal(keys, old.secret)).message
    assert (await keys.authenticate(new.secret)).key_id == new.id


async def test_a_grace_never_lengthens_a_life(keys):
    """A key that would have ended before the grace still does."""
    old = await keys.create("t", expires_s=10)
    await keys.rotate(old.id, grace_s=60)
    assert (await keys.show(old.id)).expires == NOW + 10


async def test_rights_that_others_added_to_a_key_carry_over(keys, any_redis):
    """A field this module does not know is part of the rights all the same."""
    old = await keys.create("t")
    await any_redis.hset(f"{{t}}:key:{old.id}", "images_per_day", "5")
    new = await keys.rotate(old.id)
    assert await any_redis.hget(f"{{t}}:key:{new.id}", "images_per_day") == b"5"


async def test_what_is_over_or_replaced_cannot_be_rotated(keys, clock):
    """The message says what to do instead, and nothing is made."""
    revoked, expired, replaced = [await keys.create("t", expires_s=s) for s in (None, 5, None)]
    await keys.revoke(revoked.id)
    new = await keys.rotate(replaced.id, grace_s=60)
    clock.now += 10
    for key, said in ((revoked, "is revoked"), (expired, "is expired"), (replaced, f"already replaced by {new.id}")):
        with pytest.raises(InvalidRequest, match=said):
            await keys.rotate(key.id)
    with pytest.raises(InvalidRequest, match="must not be negative"):
        await keys.rotate(new.id, grace_s=-1)
    assert len(await keys.list("t")) == 4


@pytest.mark.parametrize("how", ["rotated", "revoked"])
async def test_what_was_replaced_or_revoked_meanwhile_is_not_replaced_again(keys, monkeypatch, how):
    """Of two that rotate a key at the same time, both having seen it active, one wins and the other is told."""
    old = await keys.create("t")
    seen = await keys.show(old.id)
    await (keys.rotate(old.id, grace_s=60) if how == "rotated" else keys.revoke(old.id))
    before = await keys.list("t")

    async def as_it_was(_):
        return seen

    monkeypatch.setattr(keys, "show", as_it_was)
    with pytest.raises(InvalidRequest, match=f"The key {old.id} was replaced or revoked just now"):
        await keys.rotate(old.id)
    assert await keys.list("t") == before


async def test_changing_a_key_changes_what_is_given_and_nothing_else(keys):
    """Limits, models, name, end and cache policy, each on its own or all together; at once, for every reader."""
    made = await keys.create("t", "n", 90, ["V3"], limits=Limits(images_per_day=7, max_concurrent=2))
    changed = await keys.change(made.id, KeyChanges(limits={"images_per_day": None, "budget_per_month": 5}))
    assert changed.limits == Limits(budget_per_month=5, max_concurrent=2)
    assert (changed.name, changed.expires, changed.models) == ("n", NOW + 90, ("V3",))
    everything = KeyChanges(
        name="m", models=("a", "b", "a"), expires=None, no_cache=True, cache_ttl_s=0, limits={"max_concurrent": None}
    )
    changed = await keys.change(made.id, everything)
    assert (changed.name, changed.models, changed.expires, changed.no_cache) == ("m", ("a", "b"), None, True)
    assert (changed.cache_ttl_s, changed.limits) == (0, Limits(budget_per_month=5))
    assert changed == await keys.show(made.id)
    assert await keys.change(made.id, KeyChanges()) == changed


async def test_an_expired_key_lives_again_when_its_end_is_moved(keys, clock):
    """But only a moment to come is an end."""
    made = await keys.create("t", expires_s=10)
    clock.now += 60
    with pytest.raises(InvalidRequest, match="cannot expire after -1 seconds") as refused:
        await keys.change(made.id, KeyChanges(expires=NOW + 59))
    assert refused.value.param == "expires"
    await keys.change(made.id, KeyChanges(expires=NOW + 61))
    assert (await keys.authenticate(made.secret)).key_id == made.id


async def test_of_a_revoked_or_unknown_key_nothing_is_changed(keys, any_redis):
    """It has ended for good."""
    made = await keys.create("t", "n")
    await keys.revoke(made.id)
    with pytest.raises(InvalidRequest, match="is revoked, so nothing of it can be changed"):
        await keys.change(made.id, KeyChanges(name="m"))
    assert (await keys.show(made.id)).name == "n"
    with pytest.raises(NotFound):
        await keys.change("a" * 12, KeyChanges(name="m"))
    assert await any_redis.exists("{t}:key:" + "a" * 12) == 0


async def test_when_a_key_was_last_used_is_shown(keys, any_redis):
    """As an admission writes it down."""
    made = await keys.create("t")
    assert (await keys.show(made.id)).used is None
    await any_redis.hset(f"{{t}}:key:{made.id}", "used", str(NOW + 5))
    assert [key.used for key in await keys.list("t")] == [NOW + 5]


async def test_a_key_written_before_there_were_limits_is_read(keys, any_redis):
    """Absent fields are no limits."""
    made = await keys.create("t")
    await any_redis.hdel(f"{{t}}:key:{made.id}", "cache_ttl_s", "used", *Limits.__struct_fields__)
    shown = await keys.show(made.id)
    assert (shown.limits, shown.cache_ttl_s, shown.used) == (Limits(), None, None)


async def test_the_teams_are_those_that_ever_had_a_key(keys):
    """By name."""
    for team in ("zoo", "art", "zoo"):
        await keys.create(team)
    assert await keys.teams() == ["art", "zoo"]


@pytest.mark.parametrize(
    ("wrong", "param", "said"),
    [
        ({"team": "Art Dept"}, "team", "'Art Dept' is not a team name: use 1 to 63 of a-z, 0-9"),
        ({"team": ""}, "team", "'' is not a team name"),
        ({"team": "-a"}, "team", "'-a' is not a team name"),
        ({"team": "a" * 64}, "team", "is not a team name"),
        ({"team": "a}b"}, "team", "is not a team name"),
        ({"team": "a\n"}, "team", "is not a team name"),
        ({"name": "x" * 65}, "name", "has 65 characters: at most 64"),
        ({"name": "a\nb"}, "name", "all of them printable"),
        ({"models": ["a b"]}, "models", "'a b' is not a model id"),
        ({"models": ["a", ""]}, "models", "'' is not a model id"),
        ({"expires_s": 0}, "expires", "cannot expire after 0 seconds"),
        ({"expires_s": 1e12}, "expires", "100 years"),
        ({"cache_ttl_s": -1}, "cache_ttl_s", "cannot be replayed for -1 seconds"),
        ({"cache_ttl_s": 10**9}, "cache_ttl_s", "31622400 (a year)"),
        ({"limits": Limits(requests_per_minute=0)}, "requests_per_minute", "requests_per_minute = 0: expected a whole"),
        ({"limits": Limits(budget_per_month=-1)}, "budget_usd_per_month", "dollars from 0 to 10000000"),
    ],
)
async def test_a_key_that_cannot_be_is_refused_before_anything_is_written(keys_of_one, valkey, wrong, param, said):
    """The message names the value and what would be right."""
    with pytest.raises(InvalidRequest) as refused:
        await keys_of_one.create(**({"team": "t"} | wrong))
    assert refused.value.param == param
    assert said in refused.value.message
    assert everything_in(valkey) == ""


@pytest.mark.parametrize("team", ["a", "0", "a.b_c-d", "a" * 63])
async def test_team_names_that_are_allowed(keys, team):
    """The whole alphabet and both lengths at the ends."""
    assert (await keys.create(team)).team == team

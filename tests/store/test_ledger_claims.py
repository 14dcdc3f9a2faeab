"""Replays: who else may have what was paid for, for how long, and what is never bought twice."""

import pytest

from gateway.store.journal import Ending
from tests.support.ledger import DAY_S, PRICE, UNSHARED, delivered, ended

IDEM = {"idempotency": "i", "body": "b"}


def seen(verdict):
    return verdict.kind, verdict.generation


# The cache.


async def test_a_hit(team):
    """The same picture for whoever of the team asks the same, with its age, until it is too old."""
    led = await team.lead(fp="fp", ttl_s=100)
    await team.deliver(led)
    team.pass_s(98)
    hit = await team.ask(fp="fp", key="k2")
    assert ("hit", led.generation, '[{"part":1}]', 98_000) == (hit.kind, hit.generation, hit.results, hit.age_ms)
    assert "lead" == (await team.ask(fp="another")).kind
    team.pass_s(3)
    assert "lead" == (await team.ask(fp="fp")).kind


async def test_max_age(team):
    """Only younger entries are taken; an older one is replaced by what is made instead."""
    old = await team.lead(fp="fp")
    await team.deliver(old)
    team.clock.ms += 10_000
    assert seen(await team.ask(fp="fp", max_age_s=10)) == ("hit", old.generation)
    team.clock.ms += 1
    new = await team.lead(fp="fp", max_age_s=10)
    assert seen(await team.ask(fp="fp")) == ("hit", old.generation)
    await team.deliver(new)
    assert seen(await team.ask(fp="fp")) == ("hit", new.generation)


async def test_anew(team):
    """`no-cache` makes its own and replaces what was cached; `no-store` makes its own and leaves the cache alone."""
    first = await team.lead(fp="fp")
    await team.deliver(first)
    unkept = await team.lead(fp="fp", **UNSHARED)
    await team.deliver(unkept)
    assert first.generation == (await team.ask(fp="fp")).generation
    await team.answered(unkept)
    replacing = await team.lead(fp="fp", shared=False, anew=True)
    await team.deliver(replacing)
    assert replacing.generation == (await team.ask(fp="fp")).generation


async def test_what_is_not_cached(team):
    """Part of what was asked for, pictures whose bytes could not be kept, and failures are not for others."""
    partial = await team.lead(fp="partial", counts=(1, 1))
    await team.settle(partial, delivered(), ended("failed", 2))
    await team.deliver(await team.lead(fp="few", counts=(2,)), images=1)
    await team.deliver(await team.lead(fp="bytes"), result="")
    await team.settle(await team.lead(fp="failed"), ended("failed"))
    await team.settle(await team.lead(fp="void"), ended("dropped"))
    for fp in ("partial", "few", "bytes", "failed", "void"):
        assert "lead" == (await team.ask(fp=fp, key="k2")).kind


@pytest.mark.parametrize("fields", [{"no_cache": 1}, {"cache_ttl_s": 0}])
async def test_a_key_without_cache(team, fields):
    """It neither takes from the cache, nor gives to it, nor joins, nor is joined."""
    await team.deliver(await team.lead(fp="fp", key="k2"))
    running = await team.lead(fp="running", key="k2")
    team.set("key:k1", **fields)
    mine = await team.lead(fp="fp")
    assert not mine.shared
    await team.deliver(mine)
    assert mine.generation != (await team.ask(fp="fp", key="k2")).generation
    await team.lead(fp="running")
    assert running.generation == (await team.ask(fp="running", key="k2")).generation


async def test_a_keys_own_time_to_live(team):
    """It bounds what the key's own generations leave in the cache."""
    team.set("key:k1", cache_ttl_s=50)
    await team.deliver(await team.lead(fp="fp"))
    assert 50 == team.kept_s("cache:fp")


async def test_missing_drops_that_entry_only(team):
    """Bytes that are gone cost their own entry; one that has replaced it meanwhile is a hit."""
    old = await team.lead(fp="fp")
    await team.deliver(old)
    await team.deliver(await team.lead(fp="other"))
    new = await team.lead(fp="fp", shared=False, anew=True)
    await team.deliver(new)
    assert seen(await team.ask(fp="fp", missing=old.generation)) == ("hit", new.generation)

    replaced = await team.lead(fp="fp", missing=new.generation)
    assert replaced.generation == (await team.ask(fp="fp")).generation
    assert "hit" == (await team.ask(fp="other")).kind
    assert {"other"} == team.members("cached")


async def test_purge(team):
    """What is purged is not replayed; the rest is, and what is being made is not disturbed."""
    for fp, model in (("a", "V3"), ("b", "V3"), ("c", "dall-e-3")):
        await team.deliver(await team.lead(fp=fp, model=model))
    running = await team.lead(fp="running")
    hit = await team.ask(fp="a")
    assert 1 == await team.ledger.purge("art", generation=hit.generation)
    assert 1 == await team.ledger.purge("art", model="V3")
    assert ["lead", "lead", "hit"] == [(await team.ask(fp=fp)).kind for fp in ("a", "b", "c")]
    assert 1 == await team.ledger.purge("art")
    assert 0 == await team.ledger.purge("art")
    await team.deliver(running)
    assert "hit" == (await team.ask(fp="running")).kind


async def test_a_purge_leaves_an_idempotency_key(team):
    """What was delivered under one is its client's, not the cache's."""
    led = await team.lead(fp="fp", **IDEM)
    await team.deliver(led)
    await team.ledger.purge("art")
    assert seen(await team.ask(fp="fp", **IDEM)) == ("replay", led.generation)


# Lanes.


async def test_join_all(team):
    """Identical requests of any key of the team wait for the one that is being made."""
    led = await team.lead(fp="fp")
    for key in ("k1", "k2", "k1"):
        joined = await team.ask(fp="fp", key=key)
        assert ("join", led.generation, False) == (joined.kind, joined.generation, joined.claimed)
    assert "lead" == (await team.ask(fp="fp", **UNSHARED)).kind
    await team.settle(led, ended("failed"))
    assert "lead" == (await team.ask(fp="fp")).kind


async def test_join_retries(team):
    """With `retries`, identical requests each make their own; only a retry shares, or takes what a client has left."""
    team.set_rules(join="retries")
    first, second = await team.lead(fp="fp"), await team.lead(fp="fp")
    assert seen(await team.ask(fp="fp", retry=True)) == ("join", first.generation)
    await team.left(second)
    assert seen(await team.ask(fp="fp")) == ("join", second.generation)


async def test_join_retries_gives_each_retry_its_own(team):
    """Three that were left at once are collected by three: none is bought in vain, none is handed out twice."""
    team.set_rules(join="retries")
    made = [await team.lead(fp="fp") for _ in range(3)]
    for led in made:
        await team.left(led)
    joined = [await team.ask(fp="fp", retry=True) for _ in range(3)]
    assert [("join", led.generation) for led in made] == [seen(verdict) for verdict in joined]
    await team.left(made[1])
    assert seen(await team.ask(fp="fp")) == ("join", made[1].generation)
    assert "lead" == (await team.ask(fp="fp")).kind


@pytest.mark.parametrize("join", ["all", "retries"])
async def test_a_lane_ends_with_its_generation(team, join):
    """Nobody joins what has ended, however it did."""
    team.set_rules(join=join)
    for report in (ended("failed"), ended("dropped"), delivered(result="")):
        await team.settle(await team.lead(fp="fp"), report)
        assert "lead" == (await team.ask(fp="fp", retry=True)).kind
        team.empty()


async def test_joiners_learn_the_end(team):
    """For a minute after it, whatever it was."""
    led = await team.lead(fp="fp", counts=(1, 1))
    assert Ending("open") == await team.ending(led)
    await team.settle(led, delivered(1, result='"one"'), delivered(2, result='"two"'))
    assert Ending("delivered", '["one","two"]') == await team.ending(led)
    failed = await team.lead()
    await team.settle(failed, ended("failed"), error=b'{"code":"x"}')
    assert Ending("failed", error='{"code":"x"}') == await team.ending(failed)
    assert 60 == team.kept_s(f"gen:{failed.generation}")
    unkept = await team.lead()
    await team.deliver(unkept, result="")
    assert Ending("delivered") == await team.ending(unkept)
    team.pass_s(60)
    assert Ending("void") == await team.ending(failed)


# Claims: what was paid for and not delivered.


async def claimable(team, *, partial=False, **asked):
    """Make a generation that is for its own key alone: unshared, or with part of what was asked for."""
    if partial:
        led = await team.lead(fp="fp", counts=(1, 1), **asked)
        await team.settle(led, delivered(), ended("failed", 2))
    else:
        led = await team.lead(fp="fp", **UNSHARED, **asked)
        await team.deliver(led)
    return led


async def claim(team, *, partial=False, **asked):
    return await team.ask(fp="fp", **({"counts": (1, 1)} if partial else UNSHARED), **asked)


BOTH = pytest.mark.parametrize("partial", [False, True])


@BOTH
async def test_what_a_client_left_is_its_retrys(team, partial):
    """Its next identical request within a minute has it, once, and another key never."""
    led = await claimable(team, partial=partial)
    await team.left(led)
    team.clock.ms += 60_000
    assert "lead" == (await claim(team, partial=partial, key="k2")).kind
    claimed = await claim(team, partial=partial)
    assert claimed.claimed
    assert ("replay", led.generation, '[{"part":1}]', 60_000) == (
        claimed.kind,
        claimed.generation,
        claimed.results,
        claimed.age_ms,
    )
    assert led.generation != (await claim(team, partial=partial)).generation


@BOTH
async def test_after_a_minute_only_a_retry_claims(team, partial):
    """A request without a retry count is a new wish by then; one that says it is a retry claims for ten minutes."""
    led = await claimable(team, partial=partial)
    await team.left(led)
    team.clock.ms += 60_001
    assert "replay" != (await claim(team, partial=partial)).kind
    assert seen(await claim(team, partial=partial, retry=True)) == ("replay", led.generation)


@BOTH
async def test_an_answer_that_is_late_is_a_retrys(team, partial):
    """Where it is not known whether the client is gone, a retry waits until an answer would have been noted."""
    led = await claimable(team, partial=partial)
    team.clock.ms += 5_000
    for retry in (True, False):
        early = await claim(team, partial=partial, retry=retry)
        assert "lead" == early.kind
        await team.settle(early, *[ended("dropped", part) for part in ((1, 2) if partial else (1,))])
        team.clock.ms += 1
    assert seen(await claim(team, partial=partial, retry=True)) == ("replay", led.generation)


@BOTH
async def test_what_was_answered_is_not_claimed(team, partial):
    """A client that has its pictures means new ones, retry or not."""
    led = await claimable(team, partial=partial)
    await team.answered(led)
    team.clock.ms += 5_001
    assert led.generation != (await claim(team, partial=partial, retry=True)).generation


async def test_an_answer_before_its_booking(team):
    """A delivery booked late, after its client was answered, is not given to the client's next request."""
    led = await team.lead(fp="fp", **UNSHARED)
    await team.answered(led)
    await team.deliver(led)
    team.clock.ms += 5_001
    assert "lead" == (await claim(team, retry=True)).kind


async def test_a_claim_of_what_is_being_made(team):
    """Who claims it waits for it; nobody else can, until its claimer has left as well."""
    led = await team.lead(fp="fp", **UNSHARED)
    assert "lead" == (await claim(team, retry=True)).kind
    await team.left(led)
    joined = await claim(team)
    assert ("join", led.generation, True) == (joined.kind, joined.generation, joined.claimed)
    assert led.generation != (await claim(team)).generation
    await team.left(led)
    assert seen(await claim(team)) == ("join", led.generation)
    await team.deliver(led)
    await team.answered(led)
    team.clock.ms += 5_001
    assert led.generation != (await claim(team, retry=True)).generation


async def test_a_claim_of_what_a_dead_worker_was_making(team):
    """A retry claims from a worker that is late, and what another one has taken over."""
    led = await team.lead(fp="fp", **UNSHARED)
    await team.mark(led, "submitted", task="t")
    team.lapse()
    assert seen(await claim(team, retry=True)) == ("join", led.generation)
    other = await team.lead(fp="fp2", **UNSHARED)
    await team.mark(other, "submitted", task="t")
    team.lapse()
    await team.expire()
    assert "lead" == (await team.ask(fp="fp2", **UNSHARED)).kind
    assert seen(await team.ask(fp="fp2", retry=True, **UNSHARED)) == ("join", other.generation)


async def test_claims_go_oldest_first(team):
    """Each of three is collected by one."""
    made = [await claimable(team) for _ in range(3)]
    for led in made:
        await team.left(led)
    assert [led.generation for led in made] == [(await claim(team, retry=True)).generation for _ in made]
    assert "lead" == (await claim(team, retry=True)).kind


async def test_many_that_cannot_be_claimed_hide_none_that_can(team):
    """Forty under way are no reason to buy again what a client left."""
    for _ in range(40):
        await team.lead(fp="fp", **UNSHARED)
        team.clock.ms += 1
    left = await team.lead(fp="fp", **UNSHARED)
    await team.left(left)
    assert seen(await claim(team, retry=True)) == ("join", left.generation)


@pytest.mark.parametrize("more", [{}, IDEM])
async def test_after_ten_minutes_nothing_is_claimed(team, more):
    """However long the record is kept for other reasons, and whatever happens to identical ones meanwhile."""
    led = await team.lead(fp="fp", **UNSHARED, **more)
    await team.deliver(led)
    await team.left(led)
    team.pass_s(400)
    newer = await claimable(team)
    await team.left(newer)
    team.pass_s(201)
    assert seen(await claim(team, retry=True)) == ("replay", newer.generation)
    assert "lead" == (await claim(team, retry=True)).kind


async def test_an_end_leaves_other_claims_alone(team):
    """One that takes eleven minutes is still its client's, though an identical one ended ten minutes ago."""
    ends, slow = await team.lead(fp="fp", **UNSHARED), await team.lead(fp="fp", **UNSHARED)
    await team.left(slow)
    await team.deliver(ends)
    team.pass_s(660)
    assert seen(await claim(team, retry=True)) == ("join", slow.generation)


@pytest.mark.parametrize("state", ["failed", "dropped", "unknown"])
async def test_what_was_not_made_is_not_claimed(team, state):
    """Neither a failure nor a lost outcome is in the way of what can be claimed, nor is it ever."""
    led = await team.lead(fp="fp", **UNSHARED)
    await team.settle(led, ended(state))
    await team.left(led)
    assert set() == team.members("claims:k1:fp")
    assert ("unknown" if state == "unknown" else "lead") == (await claim(team, retry=True)).kind


async def test_a_claim_of_a_picture_after_all(team):
    """What was unknown when its client left, and is handed in after all, is the retry's."""
    led = await team.lead(fp="fp", **UNSHARED)
    await team.left(led)
    await team.settle(led, ended("unknown"))
    assert "unknown" == (await claim(team)).kind
    await team.deliver(led)
    assert seen(await claim(team)) == ("replay", led.generation)


async def test_a_claim_of_a_picture_long_after_all(team):
    """Its ten minutes begin when it is handed in, not when it was given up."""
    led = await team.lead(fp="fp", **UNSHARED)
    await team.settle(led, ended("unknown"))
    team.pass_s(3600)
    await team.deliver(led)
    team.pass_s(590)
    assert seen(await claim(team, retry=True)) == ("replay", led.generation)


async def test_a_claim_whose_bytes_are_gone(team):
    """It is dropped, and made anew."""
    led = await claimable(team)
    await team.left(led)
    assert "replay" == (await claim(team)).kind
    await team.left(led)
    assert "lead" == (await claim(team, missing=led.generation, retry=True)).kind
    assert led.generation not in team.members("claims:k1:fp")


# Idempotency.


async def test_idempotency_in_flight(team):
    """The same key and body wait for the generation, whatever their cache policy."""
    led = await team.lead(fp="fp", **UNSHARED, **IDEM)
    assert seen(await team.ask(fp="fp", anew=True, **UNSHARED, **IDEM)) == ("join", led.generation)


async def test_idempotency_after_delivery(team):
    """For a day the same pictures, whatever the cache policy; then it is a new request."""
    led = await team.lead(fp="fp", **UNSHARED, **IDEM)
    await team.deliver(led)
    await team.answered(led)
    team.pass_s(DAY_S - 5)
    for _ in range(2):
        replayed = await team.ask(fp="fp", anew=True, **UNSHARED, **IDEM)
        assert ("replay", led.generation, '[{"part":1}]') == (replayed.kind, replayed.generation, replayed.results)
    team.pass_s(DAY_S)
    assert "lead" == (await team.ask(fp="fp", anew=True, **UNSHARED, **IDEM)).kind


async def test_idempotency_after_a_partial_delivery(team):
    """What was delivered is what is repeated."""
    led = await team.lead(counts=(1, 1), **IDEM)
    await team.settle(led, delivered(), ended("failed", 2))
    assert '[{"part":1}]' == (await team.ask(counts=(1, 1), **IDEM)).results


async def test_idempotency_of_an_unknown_outcome(team):
    """The same key never buys again, not even when the tombstone has gone; another one does at once."""
    led = await team.lead(fp="fp", **IDEM)
    await team.settle(led, ended("unknown"))
    team.pass_s(team.rules.tombstone_s + 1)
    assert seen(await team.ask(fp="fp", anew=True, **IDEM)) == ("unknown", led.generation)
    assert "lead" == (await team.ask(fp="fp", idempotency="j", body="b")).kind
    await team.deliver(led)
    assert seen(await team.ask(fp="fp", **IDEM)) == ("replay", led.generation)


@pytest.mark.parametrize("state", ["failed", "dropped"])
async def test_idempotency_of_a_clean_failure(team, state):
    """A failure is not remembered: the same key tries again, even with another body."""
    await team.settle(await team.lead(**IDEM), ended(state))
    retried = await team.lead(**IDEM)
    await team.settle(retried, ended(state))
    assert "lead" == (await team.ask(idempotency="i", body="other")).kind


async def test_idempotency_of_a_denial(team):
    """A denial is not remembered either."""
    team.set("team", images_per_day=0)
    assert "denied" == (await team.ask(**IDEM)).kind
    team.set("team", images_per_day=None)
    assert "lead" == (await team.ask(idempotency="i", body="other")).kind


@pytest.mark.parametrize("report", [None, delivered(), ended("unknown")])
async def test_idempotency_with_another_body(team, report):
    """A key that stands for one request is a conflict for another, in flight, delivered or unknown."""
    led = await team.lead(**IDEM)
    if report:
        await team.settle(led, report)
    conflict = await team.ask(idempotency="i", body="other")
    assert ("conflict", led.generation) == (conflict.kind, conflict.generation)
    assert "lead" == (await team.ask(key="k2", idempotency="i", body="other")).kind


async def test_idempotency_whose_bytes_are_gone(team):
    """Delivered and no longer there is said so, and not bought again."""
    led = await team.lead(fp="fp", **UNSHARED, **IDEM)
    await team.deliver(led)
    replayed = await team.ask(fp="fp", **UNSHARED, **IDEM)
    assert seen(await team.ask(fp="fp", missing=replayed.generation, **UNSHARED, **IDEM)) == ("gone", led.generation)
    unkept = await team.lead(idempotency="j", body="b")
    await team.deliver(unkept, result="")
    assert "gone" == (await team.ask(idempotency="j", body="b")).kind


async def test_idempotency_of_a_hit(team):
    """A key answered from the cache stands for that picture for a day, though the cache has long forgotten it."""
    led = await team.lead(fp="fp")
    await team.deliver(led)
    team.pass_s(1800)
    assert "hit" == (await team.ask(fp="fp", **IDEM)).kind
    team.pass_s(3600)
    repeated = await team.ask(fp="fp", **IDEM)
    assert ("replay", led.generation, '[{"part":1}]') == (repeated.kind, repeated.generation, repeated.results)
    assert 5400 * 1000 == repeated.age_ms
    assert "conflict" == (await team.ask(fp="fp2", idempotency="i", body="other")).kind
    assert "gone" == (await team.ask(fp="fp", missing=led.generation, **IDEM)).kind


async def test_idempotency_of_a_claim(team):
    """A key answered with what an earlier request had left stands for that."""
    led = await claimable(team)
    await team.left(led)
    assert "replay" == (await claim(team, **IDEM)).kind
    team.pass_s(3600)
    assert seen(await claim(team, **IDEM)) == ("replay", led.generation)


@pytest.mark.parametrize(("report", "kind"), [(delivered(), "replay"), (ended("unknown"), "unknown")])
async def test_idempotency_of_a_join(team, report, kind):
    """A key that joined stands for a day for what came of it."""
    led = await team.lead(fp="fp")
    assert "join" == (await team.ask(fp="fp", **IDEM)).kind
    await team.settle(led, report)
    team.pass_s(2 * 3600)
    assert seen(await team.ask(fp="fp", **IDEM)) == (kind, led.generation)


@pytest.mark.parametrize("state", ["failed", "dropped"])
async def test_idempotency_of_a_join_that_failed(team, state):
    """A key that joined what failed is as free as that of the leader."""
    led = await team.lead(fp="fp", idempotency="leader", body="b")
    await team.ask(fp="fp", **IDEM)
    await team.settle(led, ended(state))
    assert "lead" == (await team.ask(fp="fp", idempotency="i", body="other")).kind


# Tombstones.


async def lost(team, **asked):
    led = await team.lead(fp="fp", **asked)
    await team.settle(led, ended("unknown"))
    return led


@pytest.mark.parametrize("more", [{}, UNSHARED, {"retry": True}, {"anew": True, "shared": False, "retry": True}])
async def test_a_tombstone_holds_identical_requests_back(team, more):
    """For two minutes, by any key of the team; also a `no-cache` that is itself only a retry."""
    led = await lost(team)
    for key in ("k1", "k2"):
        assert seen(await team.ask(fp="fp", key=key, **more)) == ("unknown", led.generation)
    assert "lead" == (await team.ask(fp="other", **more)).kind
    team.pass_s(119)
    assert "unknown" == (await team.ask(fp="fp", **more)).kind
    team.pass_s(1)
    assert "lead" == (await team.ask(fp="fp", **more)).kind


@pytest.mark.parametrize("more", [{"anew": True, "shared": False}, IDEM, IDEM | {"retry": True}])
async def test_who_passes_a_tombstone(team, more):
    """A `no-cache` by the client's own will, and a new idempotency key."""
    await lost(team)
    assert "lead" == (await team.ask(fp="fp", **more)).kind


async def test_a_tombstone_goes_with_its_reason(team):
    """What arrived after all, or was settled against the bill, holds nobody back; another's tombstone stays."""
    led = await lost(team)
    await team.deliver(led, result="")
    assert "lead" == (await team.ask(fp="fp", **UNSHARED)).kind

    team.empty()
    led = await lost(team)
    await team.resolve(led, PRICE)
    assert "lead" == (await team.ask(fp="fp")).kind

    team.empty()
    first = await lost(team)
    second = await lost(team, anew=True, **UNSHARED)
    await team.deliver(first, result="")
    assert seen(await team.ask(fp="fp", **UNSHARED)) == ("unknown", second.generation)


async def test_no_tombstone_for_what_was_delivered_in_part(team):
    """A client that got three of four pictures may ask for more."""
    led = await team.lead(fp="fp", counts=(1, 1))
    await team.settle(led, delivered(), ended("unknown", 2))
    await team.answered(led)
    assert "lead" == (await team.ask(fp="fp", counts=(1, 1))).kind


# Bounds.

FOR_EVER = {
    "key:k1",  # as many as there are keys
    "key:k2",
    "usage",  # trimmed by age whenever something is added
    "cached",  # as many as there are entries of the cache, and those that have expired since the last one came
}


async def test_nothing_is_kept_for_ever(team):
    """When all has ended, each thing that is held goes by itself, but for a few that are bounded."""
    team.set("key:k1", requests_per_minute=1000)
    for more in ({}, UNSHARED, IDEM, {"shared": False}):
        for report in (delivered(), delivered(result=""), ended("failed"), ended("unknown"), ended("dropped")):
            for leaves in (False, True):
                asked = dict(more)
                if "idempotency" in asked:
                    asked["idempotency"] = f"i{team._asked}"
                led = await team.lead(counts=(1, 1), **asked)
                await team.ask(fp=f"fp_{team._asked}")
                if leaves:
                    await team.left(led)
                await team.settle(led, report, ended("failed", 2))
                await (team.left if leaves else team.answered)(led)
    await team.lead(fp="expires")
    team.lapse()
    for _ in range(3):
        await team.expire()
    team.set("team", images_per_day=0)
    await team.ask()
    team.set("team", images_per_day=None)

    kept = {name.decode().partition(":")[2]: expiry for name, (expiry, _) in team.dump().items()}
    assert FOR_EVER | {"team"} >= {name for name, expiry in kept.items() if expiry == -1}
    assert set() == team.members("due") | team.members("due:k1")
    team.pass_s((team.rules.retention_days + 2) * DAY_S)
    assert FOR_EVER >= {name.decode().partition(":")[2] for name in team.names()}
    assert "1000" == team.hash("key:k1")["requests_per_minute"]


async def test_what_is_open_is_kept(team):
    """However long it takes, the record of a purchase and what holds it do not expire under its worker."""
    led = await team.lead(fp="fp", **IDEM)
    other = await team.lead(fp="fp", **UNSHARED)
    team.pass_s(20 * 3600)
    assert "open" == (await team.ending(led)).state == (await team.ending(other)).state
    assert seen(await team.ask(fp="fp")) == ("join", led.generation)
    assert seen(await team.ask(fp="fp", retry=True, **UNSHARED)) == ("join", other.generation)


async def test_the_list_of_entries_is_swept(team):
    """Entries that have expired leave the list when the next one comes."""
    for _ in range(5):
        await team.deliver(await team.lead(ttl_s=10))
    team.pass_s(11)
    await team.deliver(await team.lead(fp="last"))
    assert {"last"} == team.members("cached")


async def test_claims_are_swept(team):
    """A client that leaves each time leaves no trail behind."""
    for _ in range(30):
        led = await team.lead(fp="fp", **UNSHARED)
        await team.deliver(led)
        await team.left(led)
        team.pass_s(601)
        assert len(team.members("claims:k1:fp")) <= 1

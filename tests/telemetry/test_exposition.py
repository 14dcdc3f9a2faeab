"""What a scrape gets beside the counters: how Redis stands."""

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.telemetry.declarations import ALL
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.standing import BlobStanding, Standing, TeamStanding

TEAMS = [
    TeamStanding("art", 10_000_000, 9_000_000, 500_000),
    TeamStanding("ops", None, 2_500_000, 0),
    TeamStanding("b", None, 1_000_000, 0),
    TeamStanding("c", None, 250_000, 0),
]
STANDING = Standing(TEAMS, 7, 2, 3, 50_000_000, 12_750_000, BlobStanding(4, 1000, 2000))


async def told(standing, *, most_teams=100, counted=CollectorRegistry):
    async def read():
        return standing

    body, content_type = await Exposition(counted, read, most_teams=most_teams).render()
    assert content_type.startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


async def test_budgets_are_told_in_dollars():
    """What is left has reservations taken off; a team without a budget has nothing left, nor a budget, to tell."""
    samples = await told(STANDING)

    assert 10 == samples["gateway_team_budget_usd", "art"]
    assert 9 == samples["gateway_team_budget_used_usd", "art"]
    assert 0.5 == samples["gateway_team_budget_left_usd", "art"]
    assert 2.5 == samples["gateway_team_budget_used_usd", "ops"]
    assert ("gateway_team_budget_left_usd", "ops") not in samples
    assert [50, 12.75] == [samples[f"gateway_budget{name}",] for name in ("_usd", "_used_usd")]


async def test_the_rest_of_the_teams_is_other():
    """So many have a label of their own, and what the others have spent is not lost."""
    samples = await told(STANDING, most_teams=2)

    spent = {key[1]: value for key, value in samples.items() if key[0] == "gateway_team_budget_used_usd"}
    assert {"art": 9, "ops": 2.5, "other": 1.25} == spent


async def test_reservations_evictions_and_the_build():
    """As they are at that moment."""
    samples = await told(STANDING)

    names = ("reservations_open", "reservations_overdue", "unresolved_generations", "redis_up")
    assert [7, 2, 3, 1] == [samples[f"gateway_{name}",] for name in names]
    blobs = ("evictions_total", "memory_bytes", "memory_limit_bytes")
    assert [4, 1000, 2000] == [samples[f"gateway_blob_{name}",] for name in blobs]
    assert 1 == samples["gateway_build_info", __version__]


async def test_without_redis_it_says_so_and_tells_the_rest():
    """A counter is worth most when something is wrong."""
    samples = await told(None, counted=lambda: Metrics(["V3"]).registry)

    assert 0 == samples["gateway_redis_up",]
    assert ("gateway_reservations_open",) not in samples
    assert 0 == samples["gateway_circuit_open", "V3"]


async def test_everything_declared_is_exposed_once():
    """By the counters or from Redis, under its declared kind, and nothing else."""

    async def read():
        return STANDING

    metrics = Metrics(["V3"])
    body, _ = await Exposition(lambda: metrics.registry, read, most_teams=100).render()
    exposed = [(family.name, family.type) for family in text_string_to_metric_families(body.decode())]

    assert sorted((metric.name.removesuffix("_total"), metric.kind) for metric in ALL) == sorted(exposed)

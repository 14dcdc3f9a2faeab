"""A real gateway under a mixed load, as a real Prometheus sees it: with the rules and dashboards that we ship."""

import json
import math
import os
import re
import subprocess
import sys
from contextlib import closing, contextmanager
from types import SimpleNamespace

import httpx
import pytest

from gateway.sandbox.server import RunningSandbox
from gateway.sandbox.world import Settings
from tests.deploy.documents import DEPLOY, load
from tests.deploy.test_dashboards import PANELS
from tests.races.harness import ROUNDS, Books, Gateway, free_port, mint
from tests.support.mixed_load import IMAGES, TEAMS, MixedLoad
from tests.support.processes import descendants, kill, until
from tests.support.prometheus import Prometheus, config_for, needs_prometheus
from tests.support.valkey import RunningValkey

pytestmark = [needs_prometheus, pytest.mark.long, pytest.mark.timeout(1200)]

LOAD_S = 300 if ROUNDS else 60
SCRAPED_EVERY_S = 2  # and a scrape may take as long
LEASE_S = (
    8  # longer than any pause of a busy machine: nothing is to be taken over but what a worker left that was killed
)
FIRING = {"OutcomeUnknown", "PicturesLost", "TeamBudgetSpent"}
"""The alerts on what the load drills; no other may fire."""

_VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$team": ".*", "$model": ".*"}
QUERIES = {
    f"{param.id} / {target['refId']}": re.sub(r"\$\w+", lambda name: _VARIABLES[name[0]], target["expr"])
    for param in PANELS
    for target in param.values[1]["targets"]
}
RULES = {
    rule.get("alert") or rule["record"]: rule["expr"]
    for group in load("prometheus/rules/gateway.yml")["groups"]
    for rule in group["rules"]
}


def micro(dollars):
    """Tell dollars in micro-dollars."""
    return round(dollars * 1_000_000)


def command(environ, *arguments):
    """Run `gateway ...` as an operator does; returns what it printed."""
    argv = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(argv, env=os.environ | environ, check=True, capture_output=True, text=True).stdout


def collected_after_a_kill(gateway, load, valkey, prometheus, upstream):
    """Kill all workers while a task is made, and let the next ones collect it."""
    prompt = load.prompt("[[sandbox:task-hold]]")
    books = Books(valkey, "shop")
    prometheus.next_scrape()
    taken_over = "sum(gateway_adoptions_total)"
    before = prometheus.number(taken_over)
    with load.http() as http, load.later() as pool:
        lost = pool.submit(load.ask, http, "shop", prompt, {200}, model="flux-kontext-pro")
        until(lambda: any(r.get("p1") == "submitted" for r in books.records().values()), "a task", 60, every_s=0.1)
        for pid in [pid for pid, line in descendants(gateway.process.pid).items() if "gateway.worker" in line]:
            kill(pid)
        assert isinstance(lost.exception(60), httpx.TransportError)
    until(lambda: prometheus.number(taken_over) > before, "a take-over", 60, every_s=0.25)
    upstream.release()
    books.balance()


@contextmanager
def driven(directory):
    """Drive the load, and wait until Prometheus has seen all of it; yields what there is to ask then."""
    port = free_port()
    config = config_for(DEPLOY / "prometheus/prometheus.yml", f"127.0.0.1:{port}", SCRAPED_EVERY_S)
    with (
        closing(RunningValkey()) as valkey,
        closing(RunningValkey("--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru")) as blobs,
        RunningSandbox(Settings(task_delay=0.3, delay=0.05)) as upstream,
        Gateway(
            directory / "gateway",
            upstream,
            valkey.url,
            lease_s=LEASE_S,
            BLOBS_URL=blobs.url,
            GATEWAY_METRICS_PORT=str(port),
        ) as gateway,
        Prometheus(directory / "prometheus", config) as prometheus,
    ):
        redis = {"REDIS_URL": valkey.url, "AIHUBMIX_API_KEY": "sk-1"}
        keys = {team: mint(valkey.url, team)[1] for team in (*TEAMS, "poor", "few", "slow")}
        command(redis, "brakes", "set", "--budget-usd-per-month", "1000")
        command(redis, "teams", "set", "poor", "--budget-usd-per-month", "0.05")
        command(redis, "teams", "set", "few", "--images-per-day", "0")
        command(redis, "teams", "set", "slow", "--requests-per-minute", "1")
        load = MixedLoad(
            gateway,
            upstream,
            keys,
            joins=lambda: Books(valkey, "art").counted()["joins"],
            left=lambda: prometheus.number('sum(gateway_requests_total{status="499"})'),
        )
        until(prometheus.scraped_at, "a first scrape", 60, every_s=0.25)
        prometheus.next_scrape()
        with load.http() as http:  # what is left of the budget is less than a picture's price
            load.ask(http, "poor", load.prompt(), {200}, model="flux-kontext-pro")
        prometheus.next_scrape()
        load.run(LOAD_S)
        for team in keys:
            Books(valkey, team).balance()
        collected_after_a_kill(gateway, load, valkey, prometheus, upstream)
        ended = "sum(gateway_generations_in_flight)"
        until(lambda: prometheus.number(ended) == 0, "the end of all generations", 60, every_s=0.25)
        prometheus.next_scrape()

        def usage(by):
            told = json.loads(command(redis, "usage", "--since", "2d", "--by", by, "--format", "json"))
            return {line[by]: line for line in told["lines"]} | {"": told["total"]}

        yield SimpleNamespace(prometheus=prometheus, statuses=load.statuses, usage=usage, gateway=gateway)


def every_panel_has_data(run):
    """None is empty, or not a number, after an ordinary minute; not even those that show trouble, of which there was none."""
    empty = [
        name for name, query in QUERIES.items() if all(math.isnan(value) for _, value in run.prometheus.query(query))
    ]
    assert [] == empty


def every_rule_can_be_asked(run):
    """Every alert, and what is recorded; those of the objective have a value."""
    for expression in RULES.values():
        run.prometheus.query(expression)
    assert all(run.prometheus.query(RULES[name]) for name in RULES if name.startswith("gateway:"))


def every_rule_is_healthy(run):
    """As Prometheus evaluates them, and it has nothing to warn of."""
    prometheus = run.prometheus
    until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), "all rules", 60, every_s=0.25)
    assert [] == [rule for rule in prometheus.rules() if rule["health"] != "ok" or rule.get("lastError")]
    assert RULES.keys() == {rule["name"] for rule in prometheus.rules()}
    assert "" == prometheus.log


def what_was_drilled_fires_and_nothing_else(run):
    """Nothing but what the load does to some of its requests; least of all what would wake somebody up."""
    until(lambda: run.prometheus.firing() >= FIRING, f"{FIRING}", 60, every_s=0.25)
    assert FIRING == run.prometheus.firing()


def the_gateway_could_be_scraped_all_the_time(run):
    """Under load, and while its workers were killed; a busy machine may be late with one scrape in ten, but it is up."""
    assert run.prometheus.number('avg_over_time(up{job="gateway"}[1h])') >= 0.9
    until(lambda: run.prometheus.number('up{job="gateway"}') == 1, "a scrape at the end", 60, every_s=0.25)


def every_request_is_counted_once(run):
    """By status, as its client saw it."""
    counted = run.prometheus.by("status", f'sum by (status) (gateway_requests_total{{route="{IMAGES}"}})')
    assert run.statuses == counted


def money_and_images_are_what_is_billed(run):
    """To the micro-dollar: what Prometheus has counted, and what `gateway usage` tells, each and in all."""
    for by in ("team", "model"):
        same_money_and_images(run, by)


def same_money_and_images(run, by):
    """Compare them by team or by model."""
    billed = run.usage(by)
    total = billed.pop("")
    images = run.prometheus.by(by, f"sum by ({by}) (gateway_images_total)")
    cost = run.prometheus.by(by, f"sum by ({by}) (gateway_cost_usd_total)")
    assert {name: line["images"] for name, line in billed.items() if line["images"]} == images
    assert {name: micro(line["cost_usd"]) for name, line in billed.items() if line["cost_usd"]} == {
        name: micro(dollars) for name, dollars in cost.items()
    }
    assert (total["images"], micro(total["cost_usd"])) == (sum(images.values()), micro(sum(cost.values())))


def decisions_are_what_is_billed(run):
    """Compare requests, hits, joins and denials, as the ledger decided them."""
    total = run.usage("team")[""]
    decided = run.prometheus.by("verdict", "sum by (verdict) (gateway_admissions_total)")
    told = {
        "requests": sum(decided.get(verdict, 0) for verdict in ("lead", "join", "hit", "replay", "unknown", "gone")),
        "hits": decided["hit"],
        "joins": decided["join"] + decided.get("replay", 0),
        "denied": decided["denied"],
    }
    assert {what: total[what] for what in told} == told
    assert total["denied"] == run.prometheus.number("sum(gateway_quota_denials_total)")


CHECKS = (
    every_panel_has_data,
    every_rule_can_be_asked,
    every_rule_is_healthy,
    what_was_drilled_fires_and_nothing_else,
    the_gateway_could_be_scraped_all_the_time,
    every_request_is_counted_once,
    money_and_images_are_what_is_billed,
    decisions_are_what_is_billed,
)


def test_prometheus_sees_what_happened(tmp_path, subtests):
    """Under a mixed load; all checks on one run, whose minute is what this costs."""
    with driven(tmp_path) as run:
        for check in CHECKS:
            with subtests.test(check.__name__):
                check(run)

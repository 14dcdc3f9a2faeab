import re

import pytest
import yaml

from tests.deploy.documents import DEPLOY, ROOT, load
from tests.support.promtool import check_names, needs_promtool, promtool

RULES = DEPLOY / "prometheus/rules/gateway.yml"
CASES = ROOT / "tests/deploy/alerts.yml"
GROUPS = load("prometheus/rules/gateway.yml")["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
RECORDED = {rule["record"]: rule for group in GROUPS for rule in group["rules"] if "record" in rule}
WANTED = ["UpstreamKeyRejected", "ModelDown", "OutcomeUnknown", "RedisUnreachable", "RecoveryStuck"]


def minutes(time):
    """Read a time of the cases."""
    return int(re.fullmatch(r"(\d+)m", time)[1])


@needs_promtool
def test_prometheus_takes_the_rules(tmp_path):
    """And refuses others."""
    assert promtool("check", "rules", RULES)[0]
    (tmp_path / "wrong.yml").write_text(RULES.read_text().replace("sum by (code)", "sum over (code)"))
    assert not promtool("check", "rules", tmp_path / "wrong.yml")[0]


@needs_promtool
def test_every_alert_fires_when_it_should_and_is_quiet_when_it_should():
    is_right, said = promtool("test", "rules", CASES)
    assert is_right, said


@needs_promtool
@pytest.mark.parametrize("instead", ["vector(1) < 0", "vector(1)"])
def test_an_alert_that_never_fires_or_always_is_noticed(instead, tmp_path):
    """Each of them is held to both by its cases."""
    rules = load("prometheus/rules/gateway.yml")
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        rule["expr"] = instead
    (tmp_path / "gateway.yml").write_text(yaml.safe_dump(rules))
    (tmp_path / "alerts.yml").write_text(CASES.read_text().replace("../../deploy/prometheus/rules/", ""))

    is_right, said = promtool("test", "rules", tmp_path / "alerts.yml")

    assert not is_right
    assert set(ALERTS) == {
        name for name in ALERTS if f'alertname=\\"{name}\\"' in said or f'alertname="{name}"' in said
    }


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_seen_to_fire_and_to_clear(name):
    """Within one case: firing at some time, and at a later one no more."""

    def clears(case):
        looks = [
            look for look in case["promql_expr_test"] if f'alertname="{name}", alertstate="firing"' in look["expr"]
        ]
        firing = [minutes(look["eval_time"]) for look in looks if look.get("exp_samples")]
        quiet = [minutes(look["eval_time"]) for look in looks if not look.get("exp_samples")]
        return firing and quiet and max(quiet) > max(firing)

    assert any(clears(case) for case in yaml.safe_load(CASES.read_text())["tests"])


@pytest.mark.parametrize("expression", [rule["expr"] for rule in (*ALERTS.values(), *RECORDED.values())])
def test_every_metric_of_a_rule_exists(expression):
    check_names(expression)
    assert set(re.findall(r"gateway:\w+:\w+", expression)) <= RECORDED.keys()


def test_every_alert_that_was_wanted_is_there():
    assert set(WANTED) <= ALERTS.keys()
    assert {"ErrorBudgetBurnsFast", "TeamBudgetNearlySpent", "TeamBudgetSpent"} <= ALERTS.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_grave_it_is_and_where_to_read_on(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"].endswith(f": {name}")


def test_the_readme_says_what_to_do_about_every_alert():
    """A row for each, in the same order."""
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("## Alerts and what to do\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(ALERTS)

import json
import re
from itertools import combinations

import pytest
import yaml

from tests.deploy.documents import DEPLOY
from tests.support.promtool import LABELS, check_names, needs_promtool, promtool, selectors

BOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
}
PANELS = [
    pytest.param(board, panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
_VARIABLES = {"$__rate_interval": "5m", "$__range": "6h"}


def expressions(panel):
    """Give a panel's queries, with what Grafana puts into them."""
    for target in panel["targets"]:
        query = target["expr"]
        for name, value in _VARIABLES.items():
            query = query.replace(name, value)
        yield re.sub(r"\$(\w+)", "a|b", query)


def test_there_is_one_for_each_question():
    assert list(BOARDS) == ["overview", "recovery", "teams", "upstream"]


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_whole(name):
    """Grafana knows it by its uid, a panel by its id; and it can be pointed at any Prometheus."""
    board = BOARDS[name]
    assert board["uid"] == f"gateway-{name}"
    assert board["schemaVersion"] >= 39
    assert board["templating"]["list"][0] | {"current": None} == board["templating"]["list"][0] | {
        "name": "datasource", "type": "datasource", "query": "prometheus", "current": None,
    }  # fmt: skip
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", BOARDS)
def test_no_panel_lies_on_another(name):
    """All within the 24 columns there are."""
    places = [panel["gridPos"] for panel in BOARDS[name]["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], (a, b)


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_asks_for_what_there_is(board, panel):
    """Its metrics and their labels exist, its variables are the dashboard's, its legend names labels that it keeps."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    known = {variable["name"] for variable in board["templating"]["list"]}
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs) > 0
    for target in panel["targets"]:
        assert set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval", "__range"} <= known
        kept = set(re.split(r"\s*,\s*", ", ".join(re.findall(r"\bby \((.*?)\)", target["expr"]))))
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept
    for query in expressions(panel):
        check_names(query)


@pytest.mark.parametrize("name", BOARDS)
def test_a_variable_lists_the_values_of_a_label_that_exists(name):
    for variable in BOARDS[name]["templating"]["list"][1:]:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
        assert label in LABELS[metric]


@needs_promtool
def test_every_query_is_one(tmp_path):
    """As Prometheus reads them; and one that is none is noticed."""

    def takes(queries):
        rules = [{"record": f"query:{index}", "expr": query} for index, query in enumerate(queries)]
        (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
        return promtool("check", "rules", tmp_path / "rules.yml")

    queries = sorted({query for param in PANELS for query in expressions(param.values[1])})
    is_right, said = takes(queries)
    assert is_right, said
    assert not takes([*queries, "sum by (model) rate(gateway_images_total[5m])"])[0]


def test_every_metric_is_on_a_dashboard():
    """One that nobody looks at, and no rule either, need not be counted."""
    rules = (DEPLOY / "prometheus/rules/gateway.yml").read_text()
    shown = {name for param in PANELS for query in expressions(param.values[1]) for name, _ in selectors(query)}
    used = shown | {name for name, _ in selectors(rules)}
    metrics = {re.sub(r"_(bucket|sum|count)$", "", name) for name in LABELS}
    assert metrics - {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} == set()

import json
import re
import subprocess
from urllib.parse import urlsplit

import pytest

from tests.deploy.documents import DEPLOY, load
from tests.support.promtool import needs_promtool

SERVICES = load("compose.yaml")["services"]
PROMETHEUS = load("prometheus/prometheus.yml")
JOBS = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
[SOURCE] = load("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
[PROVIDER] = load("grafana/provisioning/dashboards/gateway.yaml")["providers"]


def mounted(service):
    """Tell what lies where in the container of a service."""
    return {
        there: (DEPLOY / here).resolve()
        for here, there, mode in (volume.split(":") for volume in SERVICES[service]["volumes"] if volume[0] == ".")
        if mode == "ro"
    }


def test_the_gateway_is_scraped_where_it_serves_its_metrics():
    [found] = JOBS["gateway"]["dns_sd_configs"]
    assert found["names"] == ["gateway"]
    assert found["port"] == SERVICES["gateway"]["environment"]["GATEWAY_METRICS_PORT"]
    assert set(SERVICES["gateway"]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_prometheus_finds_its_rules():
    """Beside its configuration, in the container as in the tree."""
    [config] = [option.partition("=")[2] for option in SERVICES["prometheus"]["command"] if "config.file" in option]
    home = config.rpartition("/")[0]
    [pattern] = PROMETHEUS["rule_files"]
    assert mounted("prometheus") == {
        config: DEPLOY / "prometheus/prometheus.yml",
        f"{home}/{pattern.rpartition('/')[0]}": DEPLOY / "prometheus/rules",
    }
    assert list((DEPLOY / "prometheus").glob(pattern))


@needs_promtool
def test_prometheus_takes_its_configuration(tmp_path):
    """And refuses another."""

    def check(path):
        return subprocess.run(["promtool", "check", "config", path], capture_output=True, text=True, check=False)

    right = check(DEPLOY / "prometheus/prometheus.yml")
    assert right.returncode == 0, right.stdout + right.stderr
    wrong = tmp_path / "prometheus.yml"
    wrong.write_text((DEPLOY / "prometheus/prometheus.yml").read_text().replace("scrape_interval", "scrape_every"))
    assert check(wrong).returncode != 0


def test_grafana_asks_prometheus():
    url = urlsplit(SOURCE["url"])
    assert (url.hostname, url.port) == ("prometheus", 9090)
    assert set(SERVICES["grafana"]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_grafana_finds_its_dashboards():
    there = mounted("grafana")
    assert there[PROVIDER["options"]["path"]] == DEPLOY / "grafana/dashboards"
    assert there["/etc/grafana/provisioning"] == DEPLOY / "grafana/provisioning"
    assert DASHBOARDS


def test_grafana_opens_on_a_dashboard():
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    directory, _, name = home.rpartition("/")
    assert (mounted("grafana")[directory] / name) in DASHBOARDS


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_dashboard_asks_the_source_that_there_is(path):
    json.loads(path.read_text())
    sources = set(re.findall(r'"type":\s*"prometheus",\s*"uid":\s*"([^"]*)"', path.read_text()))
    assert sources <= {SOURCE["uid"], "${datasource}"}

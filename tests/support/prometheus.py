"""A real Prometheus, with the rules that we ship, and what it makes of a gateway."""

import os
import shutil
import subprocess

import httpx
import pytest
import yaml

from tests.races.harness import free_port
from tests.support.processes import until

needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus") and "CI" not in os.environ, reason="needs prometheus (Debian: prometheus)"
)


def config_for(shipped, target, every_s):
    """Make a configuration from the shipped one: it scrapes one target as the job `gateway`, and more often."""
    config = yaml.safe_load(shipped.read_text())
    config["global"] |= {f"{what}_interval": f"{every_s}s" for what in ("scrape", "evaluation")}
    config["global"]["scrape_timeout"] = f"{every_s}s"
    config["rule_files"] = [str(shipped.parent / pattern) for pattern in config["rule_files"]]
    [job] = [job for job in config["scrape_configs"] if job["job_name"] == "gateway"]
    del job["dns_sd_configs"]
    config["scrape_configs"] = [job | {"static_configs": [{"targets": [target]}]}]
    return config


class Prometheus:
    """`prometheus` in a directory of its own; every question raises AssertionError where it is refused."""

    def __init__(self, directory, config):
        directory.mkdir()
        self._directory = directory
        self.url = f"http://127.0.0.1:{free_port()}"
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def __enter__(self):
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        until(self._is_ready, "a Prometheus that is ready", 60)
        return self

    def __exit__(self, *_):
        self._http.close()
        self._process.terminate()
        self._process.wait(60)

    @property
    def log(self):
        """All its warnings and errors."""
        return (self._directory / "log").read_text()

    def query(self, expression):
        """Ask now: a list of (labels, value)."""
        answer = self._http.post("/api/v1/query", data={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        result = answer.json()["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def number(self, expression):
        """Ask for a single value; 0 where there is none."""
        [(_, value)] = self.query(expression) or [({}, 0.0)]
        return value

    def by(self, label, expression):
        """Ask for values by a label, those that are not 0."""
        return {labels.get(label, ""): value for labels, value in self.query(expression) if value}

    def rules(self):
        """List all rules with their health, last error and state."""
        groups = self._http.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def firing(self):
        """Name the alerts that fire."""
        return {rule["name"] for rule in self.rules() if rule["type"] == "alerting" and rule["state"] == "firing"}

    def scraped_at(self):
        """Unix time of the last scrape's beginning; 0 before the first one."""
        return self.number('timestamp(up{job="gateway"})')

    def next_scrape(self):
        """Wait until a scrape that began after this call is in."""
        before = self.scraped_at()
        # The one that is under way, if there is one, may have begun before this call; the one after it did not.
        until(lambda: self.scraped_at() > before, "a scrape", 60, every_s=0.25)
        before = self.scraped_at()
        until(lambda: self.scraped_at() > before, "another scrape", 60, every_s=0.25)

    def _is_ready(self):
        assert self._process.poll() is None, self.log
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

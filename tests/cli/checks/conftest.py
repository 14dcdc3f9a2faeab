"""`gateway check` where all is well: a durable Valkey for state, a sandbox for Aihubmix."""

import json
from typing import NamedTuple

import pytest

from tests.support.valkey import RunningValkey

ADMIN_KEY = "an admin key that nobody guesses"


class Found(NamedTuple):
    """What a check told, as (level, about, told)."""

    lines: list
    teams: list

    def __call__(self, level, about):
        """Give what was told of `about` at that level, as one text."""
        return "\n".join(told for *kind, told in self.lines if kind == [level, about])

    @property
    def problems(self):
        return [line for line in self.lines if line[0] == "problem"]


@pytest.fixture(scope="session")
def _durable_valkey():
    server = RunningValkey("--appendonly", "yes")
    yield server
    server.close()


@pytest.fixture
def valkey_url(_durable_valkey):
    """Tell where an empty Valkey listens that persists what it is told."""
    with _durable_valkey.client() as client:
        client.flushall()
    return _durable_valkey.url


@pytest.fixture
def good(sandbox):
    """Give the environment in which nothing of settings and upstream is wrong."""
    return {
        "AIHUBMIX_API_KEY": sandbox.api_key,
        "AIHUBMIX_BASE_URL": sandbox.base_url,
        "AIHUBMIX_TASKS_URL": sandbox.tasks_url,
        "GATEWAY_ADMIN_KEY": ADMIN_KEY,
    }


@pytest.fixture
def found(command, good):
    """Run the check in the good environment, changed; its exit code must be `code`."""

    def run(code=0, **environ):
        told = json.loads(command("check", "--json", code=code, **(good | environ)).stdout)
        assert told["ok"] == (code == 0), told
        return Found([(f["level"], f["about"], f["told"]) for f in told["findings"]], told["teams"])

    return run


@pytest.fixture
def policy(own_valkey):
    """Give a function that makes the test's own Valkey evict so, and tells its URL."""

    def set_policy(name, limit):
        with own_valkey.client() as client:
            client.config_set("maxmemory", limit)
            client.config_set("maxmemory-policy", name)
        return own_valkey.url

    return set_policy

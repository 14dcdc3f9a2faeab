"""Gateways that do not dawdle, for tests that put the same question to every model at once."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from gateway.settings import shipped
from tests.support.gateway import RunningGateway, settings_for
from tests.support.valkey import RunningValkey

_POLL = "poll = { first_s = 0.02, factor = 1.25, max_s = 0.1 }"


def hasty_catalogue(directory, time_limit_s=60):
    """Write the shipped catalogue with quick polls and one time limit, in seconds, for all; returns its path."""
    rows = shipped("models.toml").read_text()
    rows = re.sub(r"^poll = .*$", _POLL, rows, flags=re.MULTILINE)
    rows = re.sub(r"^time_limit_s = .*$", f"time_limit_s = {time_limit_s}", rows, flags=re.MULTILINE)
    path = directory / "models.toml"
    path.write_text(rows)
    return path


@contextmanager
def hasty_gateway(sandbox, directory, *, time_limit_s=60, **flags):
    """Run a gateway, with a Valkey of its own, that waits little and never leaves a failing model alone."""
    catalogue = hasty_catalogue(directory, time_limit_s)
    patience = {"redis__command_timeout_s": 5, "redis__connect_timeout_s": 5, "redis__pool_timeout_s": 10}
    with closing(RunningValkey()) as valkey:
        settings = settings_for(
            sandbox,
            valkey.url,
            **({"server__models": str(catalogue), "limits__circuit_failures": 10**6} | patience | flags),
        )
        with RunningGateway(settings) as gateway:
            yield gateway


def all_at_once(question, items):
    """Put a question about each item at the same time; returns the answers by item."""
    items = list(items)
    with ThreadPoolExecutor(len(items)) as pool:
        return dict(zip(items, pool.map(question, items), strict=True))

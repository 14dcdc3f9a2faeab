"""What an operator would regret."""

import pytest

from tests.support.haste import hasty_catalogue


def test_a_missing_upstream_key_is_a_warning_and_asks_nobody(found, sandbox):
    """The gateway would draw with a sandbox of its own."""
    told = found(AIHUBMIX_API_KEY="")
    assert "nothing is real" in told("warning", "settings")
    assert "upstream" not in {about for _, about, _ in told.lines}
    assert sandbox.calls == []


def test_a_missing_admin_key_is_a_warning(found):
    """It says what is off."""
    told = found(GATEWAY_ADMIN_KEY="")("warning", "settings")
    assert told == "have no GATEWAY_ADMIN_KEY: /admin, /dashboard and /playground are off"


@pytest.mark.parametrize("variable", ["GATEWAY_ADMIN_KEY", "GATEWAY_SIGNING_KEY"])
def test_a_short_secret_is_a_problem_and_is_not_shown(found, variable):
    told = found(1, **{variable: "hush-hush"})("problem", "settings")
    assert told.startswith(f"{variable} has only 9 characters")
    assert "hush" not in told


@pytest.mark.parametrize("variable", ["AIHUBMIX_BASE_URL", "AIHUBMIX_TASKS_URL"])
def test_sending_the_key_in_clear_is_a_problem(found, variable):
    """To loopback it may go, as to a sandbox."""
    told = found(1, **{variable: "http://192.0.2.1:1", "GATEWAY_UPSTREAM_CONNECT_TIMEOUT_S": "0.001"})
    assert told("problem", "settings").startswith(f"{variable} is http://192.0.2.1:1")


@pytest.mark.parametrize(
    ("url", "is_fine"),
    [
        ("http://images.example", False),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("https://images.example", True),
    ],
)
def test_a_public_url_without_tls_is_a_warning(found, url, is_fine):
    assert ("GATEWAY_PUBLIC_URL" in found(GATEWAY_PUBLIC_URL=url)("warning", "settings")) != is_fine


def test_trusting_everybody_as_a_proxy_is_a_warning(found):
    told = found(GATEWAY_SERVER_TRUSTED_PROXIES="10.0.0.0/8,0.0.0.0/0,::/0")("warning", "settings")
    assert "trusts everybody (0.0.0.0/0, ::/0)" in told
    assert not found(GATEWAY_SERVER_TRUSTED_PROXIES="10.0.0.0/8")("warning", "settings")


def test_settings_that_may_cost_money_are_warnings(found):
    told = found(GATEWAY_REDIS_DOWN="allow", GATEWAY_USAGE_CHARGE_UNKNOWN="false")("warning", "settings")
    assert "two workers may buy twice" in told
    assert "escapes budgets" in told


def test_a_stop_that_cuts_off_the_slowest_model_is_a_warning(found, tmp_path):
    """What it makes is paid for."""
    models = str(hasty_catalogue(tmp_path, time_limit_s=60))
    assert not found(GATEWAY_MODELS=models, GATEWAY_SERVER_SHUTDOWN_GRACE_S="60")("warning", "settings")
    told = found(GATEWAY_MODELS=models, GATEWAY_SERVER_SHUTDOWN_GRACE_S="59")("warning", "settings")
    assert told.startswith("GATEWAY_SERVER_SHUTDOWN_GRACE_S is 59, but ")

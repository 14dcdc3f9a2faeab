from gateway.settings import load_settings
from gateway.store.rules import rules_of


def test_rules_are_the_settings_in_the_units_of_the_ledger():
    """Seconds become milliseconds, and days seconds."""
    environ = {"GATEWAY_GENERATIONS_LEASE_S": "2.5", "GATEWAY_USAGE_DISPUTE_DAYS": "3", "GATEWAY_CACHE_JOIN": "retries"}
    rules = rules_of(load_settings(environ))
    assert (rules.lease_ms, rules.dispute_s, rules.join) == (2500, 259_200, "retries")
    assert (rules.retention_days, rules.charge_unknown, rules.idempotency_s) == (400, True, 86_400)

"""The rules of the ledger as the operator has set them."""

from gateway.settings import Settings
from gateway.store.journal import Rules


def rules_of(settings: Settings) -> Rules:
    """Collect them from the settings."""
    cache, usage = settings.cache, settings.usage
    return Rules(
        lease_ms=int(settings.generations.lease_s * 1000),
        join=cache.join,
        charge_unknown=usage.charge_unknown,
        retention_days=usage.retention_days,
        unclaimed_s=cache.unclaimed_s,
        tombstone_s=cache.tombstone_s,
        dispute_s=usage.dispute_days * 86_400,
        idempotency_s=cache.idempotency_s,
    )

"""Whether prices can be trusted."""

from gateway.catalog import Catalog
from gateway.cli.checks.finding import Finding, ok, warning


def check_models(catalog: Catalog) -> list[Finding]:
    """Look at the price of each model: one finding for each kind of doubt."""
    missing = [model.id for model in catalog.models if model.price is None]
    unverified = [model.id for model in catalog.models if model.price and not model.price.verified]
    converted = [
        f"{model.id} ({model.price.currency})"
        for model in catalog.models
        if model.price and model.price.currency != "USD"
    ]
    doubts = [
        (missing, "no price, so that keys with a budget cannot use them: add one to models.toml"),
        (unverified, "a price not seen at Aihubmix: compare it with a bill, and set verified in models.toml"),
        (converted, "a converted price: renew usd and usd_date in models.toml when the rate has moved"),
    ]
    found = [warning("models", f"{len(names)} with {told}: {', '.join(names)}") for names, told in doubts if names]
    return found or [ok("models", f"{len(catalog.models)}, each with a verified price")]

"""What the gateway tells in headers: the cost, and where the picture differs from the wish."""

from urllib.parse import quote

from gateway.generation.admission import dollars
from gateway.generation.outcome import Outcome
from gateway.generation.plan import Plan
from gateway.generation.ticket import Ticket

_MOST_NAMES = 20
_LONGEST_NAME = 64


def disclosures(ticket: Ticket, plan: Plan, outcome: Outcome | None) -> dict[str, str]:
    """Make the headers; the cost and the true size are told as soon as they are known."""
    headers = {"x-gateway-generation-id": ticket.id, "x-gateway-cache": ticket.cache}
    if ticket.cache == "hit":
        headers["age"] = str(ticket.age_s or 0)
    if outcome is not None and outcome.cost is not None:
        headers["x-gateway-cost-usd"] = "0" if ticket.is_free else dollars(outcome.cost)
    adjusted = {**_true_size(plan, outcome), **plan.adjusted}
    if adjusted:
        headers["x-gateway-adjusted"] = ",".join(f"{name}={value}" for name, value in adjusted.items())
    if plan.ignored:
        headers["x-gateway-ignored"] = _names(plan.ignored)
    return headers


def _true_size(plan: Plan, outcome: Outcome | None) -> dict[str, str]:
    """Tell the pixels where they are not the ones asked for: a model of ratios chooses its own."""
    if outcome is None or plan.wished_size is None or "x" not in plan.wished_size:
        return {}
    first = outcome.pictures[0]
    size = f"{first.width}x{first.height}"
    return {} if size == plan.wished_size else {"size": size}


def _names(ignored: tuple[str, ...]) -> str:
    """Name a client's own keys, escaped and bounded, so that no header can be forged or grow too long to be read."""
    names = [quote(name[:_LONGEST_NAME], safe="") for name in ignored[:_MOST_NAMES]]
    more = len(ignored) - len(names)
    return ",".join([*names, *([f"+{more}"] if more else [])])

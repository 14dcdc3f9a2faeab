"""What the gateway tells in headers: the cost, and where the picture differs from the wish."""

from urllib.parse import quote

from gateway.generation.engine import Generation, Outcome
from gateway.generation.plan import Plan

_MOST_NAMES = 20
_LONGEST_NAME = 64


def disclosures(generation: Generation, plan: Plan, outcome: Outcome | None) -> dict[str, str]:
    """Make the headers; the cost and the true size are told as soon as they are known."""
    headers = {"x-gateway-generation-id": generation.id, "x-gateway-cache": _verdict(generation, plan)}
    if outcome is not None and outcome.cost is not None:
        headers["x-gateway-cost-usd"] = _dollars(outcome.cost)
    adjusted = {**_true_size(plan, outcome), **plan.adjusted}
    if adjusted:
        headers["x-gateway-adjusted"] = ",".join(f"{name}={value}" for name, value in adjusted.items())
    if plan.ignored:
        headers["x-gateway-ignored"] = _names(plan.ignored)
    return headers


def _verdict(generation: Generation, plan: Plan) -> str:
    """Tell whether the generation was made for this request, or taken up from one whose client had left."""
    return "bypass" if generation.plan is plan else "joined"


def _true_size(plan: Plan, outcome: Outcome | None) -> dict[str, str]:
    """Tell the pixels where they are not the ones asked for: a model of ratios chooses its own."""
    if outcome is None or plan.wished_size is None or "x" not in plan.wished_size:
        return {}
    first = outcome.pictures[0]
    size = f"{first.width}x{first.height}"
    return {} if size == plan.wished_size else {"size": size}


def _dollars(micro: int) -> str:
    """Render micro-dollars as a decimal, without trailing zeros."""
    return f"{micro / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _names(ignored: tuple[str, ...]) -> str:
    """Name a client's own keys, escaped and bounded, so that no header can be forged or grow too long to be read."""
    names = [quote(name[:_LONGEST_NAME], safe="") for name in ignored[:_MOST_NAMES]]
    more = len(ignored) - len(names)
    return ",".join([*names, *([f"+{more}"] if more else [])])

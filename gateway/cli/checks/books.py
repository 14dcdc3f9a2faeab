"""What waits for somebody: generations without a worker or in dispute, and brakes that hold."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from gateway.cli.books import Books
from gateway.cli.checks.finding import Finding, ok, problem, warning
from gateway.store.connection import redis_needed
from gateway.store.generations import Backlog
from gateway.store.money import in_dollars

_PATIENCE_S = 10  # a lease that ran out is taken over within a second or two


async def check_books(books: Books, now: float) -> tuple[list[Finding], list[Backlog]]:
    """Look at all teams; `now` is the time of Redis, by which leases end, in unix seconds. Raises Unavailable."""
    backlogs = await books.generations.backlogs(now - _PATIENCE_S)
    today = datetime.fromtimestamp(now, UTC).date()
    recovered = (await books.usage.report(today, today)).total.recovered
    with redis_needed():
        brakes = await books.brakes.read()
        spent = await books.brakes.spent()
    findings = [
        ok(
            "generations",
            f"{sum(team.open for team in backlogs)} under way, of {len(backlogs)} teams; "
            f"{recovered} delivered by another worker than began them today",
        ),
        *_waiting(backlogs),
    ]
    if brakes.budget is not None and spent.used + spent.reserved >= brakes.budget:
        findings.append(
            warning(
                "brakes", f"the budget of ${in_dollars(brakes.budget):f} is used up: `gateway brakes set` raises it"
            )
        )
    if brakes.off:
        findings.append(warning("brakes", f"off by `gateway brakes off`: {', '.join(sorted(brakes.off))}"))
    return findings, backlogs


def _waiting(backlogs: Sequence[Backlog]) -> Iterator[Finding]:
    for team in backlogs:
        if team.overdue:
            yield problem(
                "generations",
                f"{team.overdue} of team {team.team} have lost their worker: a gateway on this Redis takes over",
            )
        if team.unresolved:
            yield warning(
                "generations",
                f"{team.unresolved} of team {team.team} have an unknown outcome: "
                f"`gateway generations list --state unknown --team {team.team}`",
            )

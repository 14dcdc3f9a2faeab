"""What Redis knows at the moment of a scrape, and no single worker."""

import msgspec


class TeamStanding(msgspec.Struct, frozen=True):
    """What a team has spent and reserved of its budget this month, in micro-dollars; `budget` is None without one."""

    team: str
    budget: int | None
    used: int
    reserved: int

    @property
    def left(self) -> int:
        """What the budget still allows, in micro-dollars; 0 without one."""
        return max((self.budget or 0) - self.used - self.reserved, 0)


class BlobStanding(msgspec.Struct, frozen=True):
    """The blobs server: keys that it has evicted, and its memory in bytes; a `limit` of 0 is none."""

    evicted: int
    used: int
    limit: int


class Standing(msgspec.Struct, frozen=True):
    """How all teams and the books stand; `budget` and `used` are the whole gateway's, in micro-dollars."""

    teams: list[TeamStanding]
    open: int
    overdue: int
    unresolved: int
    budget: int | None
    used: int
    blobs: BlobStanding | None


def nearest_their_limit(teams: list[TeamStanding], most: int) -> tuple[list[TeamStanding], list[TeamStanding]]:
    """Choose the `most` teams that have used the greatest share of their budget, or spent most; and the rest."""

    def rank(team: TeamStanding) -> tuple[float, int]:
        gone = team.used + team.reserved
        share = gone / team.budget if team.budget else float(team.budget is not None)
        return (share, gone)

    ranked = sorted(teams, key=rank, reverse=True)
    return ranked[:most], ranked[most:]

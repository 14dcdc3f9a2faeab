"""Which teams are told apart at a scrape."""

from gateway.telemetry.standing import TeamStanding, nearest_their_limit


def team(name, budget=None, used=0, reserved=0):
    return TeamStanding(name, budget, used, reserved)


def test_teams_near_their_budget_come_first_then_those_that_spend():
    """A team that may spend nothing is at its limit from the start."""
    near = team("near", budget=100, used=40, reserved=55)
    half = team("half", budget=10_000, used=5_000)
    spender = team("spender", used=90_000)
    barred = team("barred", budget=0)
    idle = team("idle")

    named, rest = nearest_their_limit([idle, half, spender, near, barred], 4)

    assert [barred, near, half, spender] == named
    assert [idle] == rest


def test_what_is_left_takes_reservations_off_and_is_never_below_nothing():
    """A generation may turn out dearer than was reserved."""
    assert [5, 0, 0] == [team("a", 100, 40, 55).left, team("a", 100, 40, 70).left, team("a").left]

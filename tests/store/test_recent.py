from gateway.store.recent import Recent


def test_the_least_recently_used_value_goes_first():
    """A full memory forgets what was not asked for the longest."""
    recent = Recent(2, 10, clock=lambda: 0)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.get("a")
    recent.put("c", 3)
    assert [recent.get(name) for name in "abc"] == [1, None, 3]
    assert len(recent) == 2


def test_a_value_is_forgotten_at_the_end_of_its_life():
    """Its life counts from when it was put; being used does not lengthen it."""
    now = 0
    recent = Recent(2, 10, clock=lambda: now)
    recent.put("a", 1)
    now = 9
    assert recent.get("a") == 1
    now = 10
    assert recent.get("a") is None
    assert len(recent) == 0


def test_a_value_can_be_forgotten_before():
    """And what is not there may be forgotten as well."""
    recent = Recent(2, 10, clock=lambda: 0)
    recent.put("a", 1)
    for _ in range(2):
        recent.forget("a")
    assert (recent.get("a"), len(recent)) == (None, 0)

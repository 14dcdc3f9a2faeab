from gateway.api.pages.tries import Tries
from tests.support.books import Clock


def test_ten_at_once_and_then_one_every_six_seconds():
    clock = Clock(0.0)
    tries = Tries(clock)
    for _ in range(10):
        assert tries.wait_s() == 0
        tries.failed()

    assert 6 == tries.wait_s()
    clock.now = 4
    assert 2 == tries.wait_s()
    clock.now = 6
    assert 0 == tries.wait_s()
    tries.failed()
    assert 6 == tries.wait_s()


def test_patience_is_not_saved_up():
    """However long nobody tried, there are ten tries and no more."""
    clock = Clock(0.0)
    tries = Tries(clock)
    clock.now = 1e6
    for _ in range(10):
        tries.failed()

    assert 6 == tries.wait_s()

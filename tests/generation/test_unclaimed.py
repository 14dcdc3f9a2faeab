"""What clients left behind, and who may have it."""

import pytest

from gateway.generation.unclaimed import Unclaimed


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def unclaimed(clock):
    return Unclaimed(kept_s=600, size=3, clock=clock)


def test_claimed_once_by_the_same_key_and_wish(unclaimed):
    """Another key or another wish finds nothing; the same finds it once."""
    unclaimed.leave("key", "fox", "picture")

    assert unclaimed.claim("other", "fox", is_retry=True) is None
    assert unclaimed.claim("key", "cat", is_retry=True) is None
    assert "picture" == unclaimed.claim("key", "fox", is_retry=True)
    assert unclaimed.claim("key", "fox", is_retry=True) is None


def test_several_of_one_wish_are_all_kept(unclaimed):
    """Identical requests that were all left are handed over one by one, the oldest first."""
    for picture in "abc":
        unclaimed.leave("key", "fox", picture)

    assert ["a", "b", "c"] == [unclaimed.claim("key", "fox", is_retry=True) for _ in range(3)]
    assert not unclaimed


def test_without_a_retry_count_only_what_was_left_a_minute_ago(unclaimed, clock):
    """A request that does not say that it is a retry may be a new wish."""
    unclaimed.leave("key", "fox", "picture")
    clock.now = 61

    assert unclaimed.claim("key", "fox", is_retry=False) is None
    assert "picture" == unclaimed.claim("key", "fox", is_retry=True)


def test_kept_for_a_while(unclaimed, clock):
    """After ten minutes it is gone, whoever asks, and swept away even if nobody asks."""
    unclaimed.leave("key", "fox", "picture")
    clock.now = 601
    unclaimed.sweep()

    assert not unclaimed
    assert unclaimed.claim("key", "fox", is_retry=True) is None


def test_bounded(unclaimed):
    """Of too many the oldest goes."""
    for picture in "abcd":
        unclaimed.leave("key", picture, picture)

    assert [None, "b", "c", "d"] == [unclaimed.claim("key", picture, is_retry=True) for picture in "abcd"]

import pytest


@pytest.fixture
def cached(in_books):
    """Three cached pictures of two teams and two models; returns the generation of the first."""

    async def make(books):
        made = []
        for team, model in (("art", "V3"), ("art", "Qwen-Image"), ("zoo", "V3")):
            made.append(await books.lead(team, model=model, shared=True, stores=True))
            await books.deliver(made[-1], team)
        return made[0]

    return in_books(make)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "3 cache entries are dropped.\n"),
        (("--team", "art"), "2 cache entries are dropped.\n"),
        (("--model", "ideogram/V3"), "2 cache entries are dropped.\n"),
        (("--team", "art", "--model", "V3"), "1 cache entry is dropped.\n"),
        (("--team", "nobody"), "0 cache entries are dropped.\n"),
    ],
)
@pytest.mark.usefixtures("cached")
def test_what_is_named_is_dropped(command, arguments, told):
    """A model by any of its names."""
    assert command("cache", "purge", *arguments).stdout == told


def test_one_generation_may_go_alone(command, cached):
    """Of whatever team it is, and once."""
    assert command("cache", "purge", "--generation", cached).stdout == "1 cache entry is dropped.\n"
    assert command("cache", "purge", "--generation", cached).stdout == "0 cache entries are dropped.\n"


@pytest.mark.parametrize("arguments", [("--model", "nothing"), ("--team", "No Team")])
def test_what_is_not_there_is_refused(command, arguments):
    assert "Error: " in command("cache", "purge", *arguments, code=2).stderr

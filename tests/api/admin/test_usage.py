import pytest

from tests.support.gateway import envelope


@pytest.fixture
def _drawn(in_books):
    async def draw(books):
        await books.deliver(await books.lead("art", n=2, estimate=120_000), "art", images=2, cost=120_000)
        await books.deliver(await books.lead("zoo", key="k2"), "zoo", cost=35_001)

    in_books(draw)


@pytest.mark.usefixtures("_drawn")
def test_use_is_told_as_json(books_api):
    """By whatever is asked for, with the sum; money is a decimal number of dollars."""
    told = books_api.get("/admin/usage", params={"by": "team", "since": "2d"}).json()
    assert [(line["team"], line["images"], line["cost_usd"]) for line in told["lines"]] == [
        ("art", 2, 0.12),
        ("zoo", 1, 0.035001),
    ]
    assert (told["total"]["requests"], told["total"]["cost_usd"]) == (2, 0.155001)
    assert len(books_api.get("/admin/usage", params={"team": "art", "by": "key"}).json()["lines"]) == 1


@pytest.mark.usefixtures("_drawn")
def test_use_is_told_as_csv(books_api):
    reply = books_api.get("/admin/usage", params={"by": "key", "format": "csv"})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    head, first, second = reply.text.splitlines()
    assert head == "key,requests,generations,images,hits,joins,failures,unknown,denied,recovered,cost_usd,spare_usd"
    assert (first, second) == ("k1,1,1,2,0,0,0,0,0,0,0.12,0", "k2,1,1,1,0,0,0,0,0,0,0.035001,0")


@pytest.mark.usefixtures("_drawn")
def test_the_books_are_proved(books_api, valkey):
    """Of all teams, or of one."""
    assert books_api.get("/admin/usage/check").json()["ok"] is True
    with valkey.client() as redis:
        day = redis.keys("{art}:usage:*")[0]
        redis.hincrby(day, "k1|V3|images", 1)
    told = books_api.get("/admin/usage/check").json()
    assert (told["ok"], [len(proof["differences"]) for proof in told["data"]]) == (False, [1, 0])
    assert books_api.get("/admin/usage/check", params={"team": "zoo"}).json()["ok"] is True


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-02-30"}, "until"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "since"),
        ({"by": "user"}, "by"),
        ({"format": "xml"}, "format"),
        ({"team": "No Team"}, "team"),
    ],
)
def test_what_cannot_be_asked_is_a_400(books_api, asked, param):
    """Which names the parameter."""
    assert envelope(books_api.get("/admin/usage", params=asked)) == (
        400,
        "invalid_request_error",
        "invalid_value",
        param,
    )


def test_a_team_that_cannot_be_is_not_proved(books_api):
    assert envelope(books_api.get("/admin/usage/check", params={"team": "No Team"}))[::3] == (400, "team")


def test_nobody_reads_it_without_the_admin_key(books_api):
    for path in ("/admin/usage", "/admin/usage/check", "/admin/generations", "/admin/brakes"):
        assert books_api.get(path, headers={"authorization": "Bearer no"}).status_code == 401

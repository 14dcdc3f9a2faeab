import pytest

from tests.support.gateway import envelope

NOBODY = "gen_019988888880000000000000"


@pytest.fixture
def two(in_books):
    """One generation under way, one in dispute; returns their ids."""

    async def make(books):
        running = await books.lead("art")
        lost = await books.lead("zoo")
        await books.lose(lost, "zoo")
        return running, lost

    return in_books(make)


def ids(reply):
    return [record["id"] for record in reply.json()["data"]]


def test_generations_are_listed_by_state_and_team(books_api, two):
    """Under way, in dispute, or both and what was settled lately."""
    running, lost = two
    assert ids(books_api.get("/admin/generations")) == [running]
    assert ids(books_api.get("/admin/generations", params={"state": "unknown"})) == [lost]
    told = books_api.get("/admin/generations", params={"state": "all"})
    assert ids(told) == [running, lost]
    assert [entry["id"] for entry in told.json()["settlements"]] == [lost]
    assert ids(books_api.get("/admin/generations", params={"team": "zoo"})) == []
    one = told.json()["data"][0]
    assert (one["estimate_usd"], one["parts"][0]["state"]) == (0.06, "reserved")
    assert one["lease_until"] == pytest.approx(one["at"] + 15)


def test_a_generation_is_shown(books_api, two):
    """Its record, and its entries in the books."""
    told = books_api.get(f"/admin/generations/{two[1]}").json()
    assert (told["team"], told["generation"]["state"], told["generation"]["cost_usd"]) == ("zoo", "unknown", 0.06)
    assert [(entry["kind"], entry["cost_usd"]) for entry in told["entries"]] == [("settled", 0.06)]


def test_a_dispute_is_resolved_once(books_api, two):
    """With who said so and why; the gateway's own budget moves along."""
    books_api.put("/admin/brakes", json={"budget_usd_per_month": 10})
    path = f"/admin/generations/{two[1]}/resolve"
    reply = books_api.post(path, json={"charged": True, "cost_usd": 0.04, "note": "bill 7", "by": "ann"})
    assert (reply.status_code, reply.json()) == (
        200,
        {"id": two[1], "was_usd": 0.06, "charged_usd": 0.04, "cost_usd": 0.04},
    )
    last = books_api.get(f"/admin/generations/{two[1]}").json()["entries"][-1]
    assert (last["kind"], last["by"], last["note"], last["cost_usd"]) == ("resolved", "ann", "bill 7", -0.02)
    assert books_api.get("/admin/brakes").json()["used_usd"] == 0.04
    assert envelope(books_api.post(path, json={"charged": False})) == (
        409,
        "invalid_request_error",
        "not_in_dispute",
        "id",
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "charged"),
        ({"charged": "yes"}, "charged"),
        ({"charged": True, "cost_usd": "1"}, "cost_usd"),
        ({"charged": True, "cost_usd": 0.0000001}, "cost_usd"),
        ({"charged": True, "cost_usd": 0}, "cost_usd"),
        ({"charged": True, "cost_usd": 6.000001}, "cost_usd"),
        ({"charged": False, "cost_usd": 0.06}, "cost_usd"),
        ({"charged": False, "note": 7}, "note"),
        ({"charged": False, "because": "x"}, "because"),
    ],
)
def test_a_resolution_that_makes_no_sense_changes_nothing(books_api, two, fields, param):
    """A 400 that names the field."""
    reply = books_api.post(f"/admin/generations/{two[1]}/resolve", json=fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    assert ids(books_api.get("/admin/generations", params={"state": "unknown"})) == [two[1]]


def test_what_is_not_there_is_a_404(books_api):
    assert books_api.get(f"/admin/generations/{NOBODY}").status_code == 404
    assert books_api.post(f"/admin/generations/{NOBODY}/resolve", json={"charged": False}).status_code == 404
    assert books_api.get("/admin/generations/gen_1").status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        {"state": "lost"},
        {"team": "No Team"},
        {"state": "all", "count": "0"},
        {"count": "-1"},
        {"count": "0"},
        {"state": "unknown", "count": "1e3"},
    ],
)
def test_what_cannot_be_listed_is_a_400(books_api, asked):
    assert books_api.get("/admin/generations", params=asked).status_code == 400


def test_the_cache_is_purged(books_api, in_books):
    """Of a generation, of a model by any of its names, of a team, or wholly."""

    async def make(books):
        made = []
        for team, model in (("art", "V3"), ("art", "V3"), ("art", "Qwen-Image"), ("zoo", "V3"), ("zoo", "V3")):
            made.append(await books.lead(team, model=model, shared=True, stores=True))
            await books.deliver(made[-1], team)
        return made

    made = in_books(make)
    for fields in ({"generation": made[0]}, {"team": "art", "model": "ideogram/V3"}, {"team": "art"}):
        assert books_api.post("/admin/cache/purge", json=fields).json() == {"dropped": 1}
    assert books_api.post("/admin/cache/purge").json() == {"dropped": 2}
    assert envelope(books_api.post("/admin/cache/purge", json={"model": "nothing"}))[::3] == (400, "model")
    assert envelope(books_api.post("/admin/cache/purge", json={"team": "No Team"}))[::3] == (400, "team")

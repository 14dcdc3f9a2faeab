import pytest

from tests.support.gateway import envelope


def test_brakes_are_what_was_put(books_api):
    """What the body leaves out is lifted, so that the same body makes the same brakes."""
    told = books_api.get("/admin/brakes").json()
    assert {**told, "month": ""} == {
        "budget_usd_per_month": None, "month": "", "used_usd": None, "reserved_usd": None, "off": {},
    }  # fmt: skip
    body = {"budget_usd_per_month": 12.5, "off": {"ideogram/v3": "too dear", "dall-e-3": ""}}
    told = books_api.put("/admin/brakes", json=body).json()
    assert (told["budget_usd_per_month"], told["used_usd"]) == (12.5, 0)
    assert told["off"] == {"V3": "too dear", "dall-e-3": ""}
    assert books_api.put("/admin/brakes", json={"off": {"V3": "still"}}).json()["off"] == {"V3": "still"}
    assert books_api.get("/admin/brakes").json()["budget_usd_per_month"] is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"budget_usd_per_month": -1}, "budget_usd_per_month"),
        ({"budget_usd_per_month": "12"}, "budget_usd_per_month"),
        ({"off": ["V3"]}, "off"),
        ({"off": []}, "off"),
        ({"off": False}, "off"),
        ({"off": {"V3": 1}}, "off"),
        ({"off": {"nothing": ""}}, "off"),
        ({"of": {}}, "of"),
    ],
)
def test_what_makes_no_sense_changes_nothing(books_api, fields, param):
    """A 400 that names the field."""
    books_api.put("/admin/brakes", json={"off": {"dall-e-3": "too dear"}})
    reply = books_api.put("/admin/brakes", json={"budget_usd_per_month": 3} | fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    assert books_api.get("/admin/brakes").json()["off"] == {"dall-e-3": "too dear"}
    assert books_api.get("/admin/brakes").json()["budget_usd_per_month"] is None


@pytest.mark.parametrize(("body", "param"), [(b"", None), (b" ", None), (b'{"off":{"V3":"a"},"off":{}}', "off")])
def test_a_body_that_is_forgotten_or_ambiguous_lifts_nothing(body, param, *, books_api):
    """A 400; `{}` is what lifts all."""
    before = books_api.put("/admin/brakes", json={"off": {"dall-e-3": ""}}).json()
    reply = books_api.put("/admin/brakes", content=body)
    assert envelope(reply) == (400, "invalid_request_error", "invalid_json", param)
    assert books_api.get("/admin/brakes").json() == before
    assert books_api.put("/admin/brakes", json={}).status_code == 200

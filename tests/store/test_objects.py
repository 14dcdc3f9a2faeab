import json

from gateway.store.key_record import CreatedKey, KeyRecord
from gateway.store.limits import Limits
from gateway.store.objects import encode, key_object, team_object
from gateway.store.teams import TeamRecord

NOW = 1_800_000_000
KEY = KeyRecord(
    id="abcdef012345",
    team="art",
    name="n",
    prefix="sk-gw-abcdef012345",
    created=NOW,
    expires=NOW + 9,
    revoked=None,
    replaced_by=None,
    models=("V3",),
    no_cache=False,
    used=NOW,
    limits=Limits(images_per_day=5, budget_per_month=12_500_000),
)
OBJECT = {
    "id": "abcdef012345",
    "team": "art",
    "name": "n",
    "prefix": "sk-gw-abcdef012345",
    "created": NOW,
    "expires": NOW + 9,
    "revoked": None,
    "replaced_by": None,
    "models": ["V3"],
    "no_cache": False,
    "cache_ttl_s": None,
    "used": NOW,
    "requests_per_minute": None,
    "images_per_day": 5,
    "budget_usd_per_month": 12.5,
    "max_concurrent": None,
    "state": "active",
}


def test_a_key_as_an_object():
    """Limits stand beside its other fields, money is a number of dollars."""
    assert json.loads(encode(key_object(KEY, NOW))) == OBJECT
    assert key_object(KEY, NOW + 9)["state"] == "expired"


def test_only_a_new_key_has_its_secret_in_the_object():
    """`key` is the secret, and there is no other name for it."""
    fields = {name: getattr(KEY, name) for name in KeyRecord.__struct_fields__}
    assert json.loads(encode(key_object(CreatedKey(**fields, secret="sk-gw-x"), NOW))) == OBJECT | {"key": "sk-gw-x"}


def test_a_team_as_an_object():
    """Money loses nothing on its way."""
    team = TeamRecord("art", NOW, Limits(budget_per_month=9_999_999_999_999))
    assert encode(team_object(team)) == (
        b'{"team":"art","created":1800000000,"requests_per_minute":null,"images_per_day":null,'
        b'"budget_usd_per_month":9999999.999999,"max_concurrent":null}'
    )

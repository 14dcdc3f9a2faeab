from gateway.cli.key_text import as_object, page, table
from gateway.store.key_record import CreatedKey, KeyRecord

NOW = 1_800_000_000
PLAIN = {
    "id": "abcdef012345",
    "team": "art",
    "name": "",
    "prefix": "sk-gw-abcdef012345",
    "created": NOW,
    "expires": None,
    "revoked": None,
    "replaced_by": None,
    "models": (),
    "no_cache": False,
}


def test_the_table_of_short_values():
    """Dates without times; what is not limited says so."""
    assert table(
        [KeyRecord(**PLAIN), KeyRecord(**PLAIN | {"name": "ci", "models": ("V3", "V4"), "expires": NOW})], NOW
    ) == (
        "ID            TEAM  NAME  STATE    CREATED     EXPIRES     MODELS\n"
        "abcdef012345  art   -     active   2027-01-15  never       all\n"
        "abcdef012345  art   ci    expired  2027-01-15  2027-01-15  V3,V4"
    )


def test_the_table_never_grows_wider_than_a_hundred_columns():
    """Long values are cut visibly, the id never."""
    longest = PLAIN | {"team": "t" * 63, "name": "n" * 64, "models": ("m" * 50,) * 3, "expires": NOW, "revoked": NOW}
    lines = table([KeyRecord(**longest)], NOW).splitlines()
    assert max(len(line) for line in lines) == 100
    assert "abcdef012345" in lines[1]
    assert "t" * 19 + "…" in lines[1]


def test_the_page_tells_everything():
    """Facts that do not apply are left out."""
    assert page(KeyRecord(**PLAIN), NOW).splitlines() == [
        "id           abcdef012345",
        "team         art",
        "name         -",
        "state        active",
        "created      2027-01-15 08:00 UTC",
        "expires      never",
        "models       all",
        "cache        on",
    ]
    ended = KeyRecord(**PLAIN | {"revoked": NOW, "replaced_by": "b" * 12, "no_cache": True, "models": ("V3", "V4")})
    assert {
        "state        revoked",
        "revoked      2027-01-15 08:00 UTC",
        "replaced by  bbbbbbbbbbbb",
        "models       V3, V4",
        "cache        off",
    } <= set(page(ended, NOW).splitlines())


def test_only_a_new_key_has_its_secret_in_the_object():
    """`key` is the secret, and there is no other name for it."""
    assert as_object(KeyRecord(**PLAIN), NOW) == PLAIN | {"state": "active"}
    assert as_object(CreatedKey(**PLAIN, secret="sk-gw-x"), NOW) == PLAIN | {"state": "active", "key": "sk-gw-x"}

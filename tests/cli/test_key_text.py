from gateway.cli.key_text import page, table
from gateway.store.key_record import KeyRecord
from gateway.store.limits import Limits

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
    limited = {"name": "ci", "models": ("V3", "V4"), "expires": NOW, "used": NOW, "limits": Limits(1, 2, 3_500_000, 4)}
    assert table([KeyRecord(**PLAIN), KeyRecord(**PLAIN | limited)], NOW) == (
        "ID            TEAM  NAME  STATE    EXPIRES     LAST USE    LIMITS                 MODELS\n"
        "abcdef012345  art   -     active   never       never       -                      all\n"
        "abcdef012345  art   ci    expired  2027-01-15  2027-01-15  1/min 2/day $3.50/mo…  2"
    )


def test_the_table_never_grows_too_wide():
    """Long values are cut visibly, the id never."""
    longest = PLAIN | {"team": "t" * 63, "name": "n" * 64, "models": ("m" * 50,) * 3, "expires": NOW, "revoked": NOW}
    limits = Limits(10**6, 10**9, 10**13, 10**6)
    lines = table([KeyRecord(**longest, used=NOW, limits=limits)], NOW).splitlines()
    assert max(len(line) for line in lines) <= 100
    assert "abcdef012345" in lines[1]
    assert "t" * 9 + "…" in lines[1]


def test_the_page_tells_everything():
    """Facts that do not apply are left out."""
    assert page(KeyRecord(**PLAIN), NOW).splitlines() == [
        "id           abcdef012345",
        "team         art",
        "name         -",
        "state        active",
        "created      2027-01-15 08:00 UTC",
        "expires      never",
        "last use     never",
        "models       all",
        "cache        on",
        "requests     unlimited",
        "images       unlimited",
        "budget       unlimited",
        "concurrent   unlimited",
    ]
    ended = KeyRecord(
        **PLAIN | {"revoked": NOW, "replaced_by": "b" * 12, "no_cache": True, "models": ("V3", "V4"), "used": NOW},
        limits=Limits(1, 2, 3_500_000, 4),
    )
    assert {
        "state        revoked",
        "revoked      2027-01-15 08:00 UTC",
        "replaced by  bbbbbbbbbbbb",
        "last use     2027-01-15 08:00 UTC",
        "models       V3, V4",
        "cache        off",
        "requests     1 a minute",
        "images       2 a day",
        "budget       $3.50 a month",
        "concurrent   4",
    } <= set(page(ended, NOW).splitlines())


def test_the_page_tells_for_how_long_a_keys_images_are_replayed():
    """Never is off."""
    assert "cache        for 600 s" in page(KeyRecord(**PLAIN, cache_ttl_s=600), NOW)
    assert "cache        off" in page(KeyRecord(**PLAIN, cache_ttl_s=0), NOW)

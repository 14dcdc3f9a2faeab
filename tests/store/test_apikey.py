import hmac
import re

import pytest

from gateway.errors import InvalidRequest
from gateway.store import apikey

KEY = "sk-gw-abcdef012345-" + "K" * 39 + "wxyz"


def test_a_minted_key_has_the_documented_form_and_is_never_the_same():
    """Twelve letters of id and 256 bits of secret."""
    minted = [apikey.mint() for _ in range(100)]
    for key_id, key in minted:
        assert re.fullmatch(r"sk-gw-[a-z0-9]{12}-[0-9A-Za-z]{43}", key)
        assert apikey.id_in(key) == key_id
    assert len(set(minted)) == 100


@pytest.mark.parametrize(
    "presented", ["sk-proj-" + "a" * 40, KEY + "\n", KEY.upper(), KEY[:40], KEY + "!", "sk-gw-abcdef012345"]
)
def test_what_has_another_form_holds_no_id(presented):
    """Such a text is refused without a look-up."""
    assert apikey.id_in(presented) is None


@pytest.mark.parametrize("reference", [KEY, "abcdef012345", "sk-gw-abcdef012345", f" {KEY}\n"])
def test_an_operator_may_name_a_key_by_id_prefix_or_whole(reference):
    """All mean the same key."""
    assert apikey.id_of(reference) == "abcdef012345"


def test_a_reference_that_is_none_is_refused_without_showing_a_secret():
    """A short one is repeated, since it is a typing error; a long one may be a key and is masked."""
    with pytest.raises(InvalidRequest, match="'abc' is not a key id: give the 12 letters"):
        apikey.id_of("abc")
    with pytest.raises(InvalidRequest) as refused:
        apikey.id_of(KEY + "!")
    assert "'sk-gw-abcd****xyz!'" in refused.value.message
    assert "KKK" not in refused.value.message


@pytest.mark.parametrize(
    ("presented", "shown"),
    [(KEY, "sk-gw-abcd****wxyz"), ("sk-proj-" + "a" * 40, "sk-****aaaa"), ("hunter2", "****"), ("a" * 23, "****")],
)
def test_masking_leaves_too_little_to_use(presented, shown):
    """Ours by prefix, id and end; anything else by less; what is short not at all."""
    assert apikey.masked(presented) == shown


def test_hashes_are_compared_in_constant_time(monkeypatch):
    """The comparison is `hmac.compare_digest`'s, on whole hashes."""
    seen = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: seen.append((len(a), len(b))) or compare(a, b))
    assert apikey.matches(KEY, apikey.digest(KEY))
    assert not apikey.matches(KEY, apikey.digest(KEY + "x"))
    assert seen == [(32, 32), (32, 32)]

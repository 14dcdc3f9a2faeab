import asyncio
import hmac

import pytest

from gateway.errors import Unavailable
from gateway.store.secrets import Signer, signing_key
from tests.support.valkey import gateway_client

PATH = "/v1/images/files/abc.png"


async def test_a_configured_key_needs_no_redis():
    """It is used as it is."""
    client = gateway_client("unix:///nowhere")
    assert await signing_key(client, "from the settings") == b"from the settings"
    await client.aclose()


async def test_workers_that_start_together_share_one_made_key(valkey_url):
    """Whoever is first makes it; all get the same 32 bytes, then and later."""
    clients = [gateway_client(valkey_url) for _ in range(8)]
    keys = await asyncio.gather(*(signing_key(client, "") for client in clients))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    assert await signing_key(clients[0], "") == keys[0]
    for client in clients:
        await client.aclose()


async def test_redis_away_is_unavailable():
    """No worker invents a key of its own that the others would not know."""
    client = gateway_client("unix:///nowhere")
    with pytest.raises(Unavailable):
        await signing_key(client, "")
    await client.aclose()


def test_a_signature_holds_for_its_path_and_time_alone():
    """Another path, end, key or signature is refused, and so is the moment of the end."""
    signer = Signer(b"k" * 32)
    signature = signer.sign(PATH, 1000)
    assert signer.verify(PATH, 1000, signature, now=999.9)
    assert not signer.verify(PATH, 1000, signature, now=1000)
    assert not signer.verify(PATH, 1001, signature, now=999)
    assert not signer.verify(PATH + "x", 1000, signature, now=999)
    assert not signer.verify(PATH, 1000, signature[:-1], now=999)
    assert not signer.verify(PATH, 1000, "é", now=999)
    assert not Signer(b"j" * 32).verify(PATH, 1000, signature, now=999)


def test_digits_cannot_move_between_the_end_and_the_path():
    """What is signed has one reading."""
    signer = Signer(b"k" * 32)
    assert signer.sign("1/a", 100) != signer.sign("/a", 1001)


@pytest.mark.parametrize("expires", range(50))
def test_a_signature_needs_no_escaping_in_a_url(expires):
    """Only letters, digits, '-' and '_'."""
    assert Signer(b"k" * 32).sign(PATH, expires).replace("-", "").replace("_", "").isalnum()


def test_signatures_are_compared_in_constant_time(monkeypatch):
    """The comparison is `hmac.compare_digest`'s."""
    seen = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: seen.append((a, b)))
    assert not Signer(b"k" * 32).verify(PATH, 1000, "x", now=0)
    assert seen == [(Signer(b"k" * 32).sign(PATH, 1000).encode(), b"x")]

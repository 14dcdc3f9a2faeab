"""The key that signs image URLs, and signing."""

import base64
import hashlib
import hmac
import secrets

from gateway.store.connection import Client, redis_needed


async def signing_key(redis: Client, configured: str) -> bytes:
    """Take the configured key, else 32 random bytes that are made once and kept in Redis for all workers.

    Raises Unavailable while Redis does not answer.
    """
    if configured:
        return configured.encode()
    with redis_needed():
        made = secrets.token_hex(32)
        earlier = await redis.set("signing-key", made, nx=True, get=True)
    return bytes.fromhex(earlier.decode() if isinstance(earlier, bytes) else made)


class Signer:
    """Signs a path together with the time at which the signature ends (unix seconds)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, path: str, expires: int) -> str:
        """Make the signature, in letters that need no escaping in a URL."""
        mac = hmac.digest(self._key, f"{expires}\n{path}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def verify(self, path: str, expires: int, signature: str, now: float) -> bool:
        """Tell whether `signature` was made here for exactly this path and end, and the end has not come."""
        genuine = hmac.compare_digest(self.sign(path, expires).encode(), signature.encode())
        return genuine and now < expires

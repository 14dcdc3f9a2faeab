"""The form of an API key: `sk-gw-<id>-<secret>`. The id is public, the secret is shown once."""

import hashlib
import hmac
import re
import secrets
import string

from gateway.errors import InvalidRequest

PREFIX = "sk-gw-"
_ID = r"(?P<id>[a-z0-9]{12})"
_ID_LETTERS = string.ascii_lowercase + string.digits
_SECRET_LETTERS = string.ascii_letters + string.digits
_SECRET_LENGTH = 43  # 256 bits in base 62
_TOO_SHORT_TO_SHOW = 24  # characters; with seven of fewer shown, the rest could be guessed
_FORM = re.compile(rf"{PREFIX}{_ID}-[A-Za-z0-9]{{32,64}}")
_ANY_REFERENCE = re.compile(rf"(?:{PREFIX})?{_ID}(?:-[A-Za-z0-9]{{32,64}})?")


def mint() -> tuple[str, str]:
    """Make a new key; returns its id and the key itself."""
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(12))
    secret = "".join(secrets.choice(_SECRET_LETTERS) for _ in range(_SECRET_LENGTH))
    return key_id, f"{PREFIX}{key_id}-{secret}"


def id_in(presented: str) -> str | None:
    """Read the id inside a whole key; None if `presented` does not have the form of a key."""
    match = _FORM.fullmatch(presented)
    return match["id"] if match else None


def id_of(reference: str) -> str:
    """Read the id that an operator means by an id, a listed prefix or a whole key. Raises InvalidRequest."""
    match = _ANY_REFERENCE.fullmatch(reference.strip())
    if match is None:
        shown = reference if len(reference) < _TOO_SHORT_TO_SHOW else masked(reference)
        raise InvalidRequest(
            f"{shown!r} is not a key id: give the 12 letters and digits that `gateway keys list` shows.",
            param="id",
        )
    return match["id"]


def digest(key: str) -> bytes:
    """Hash a key as it is kept: SHA-256, for a slow hash only helps where a secret can be guessed."""
    return hashlib.sha256(key.encode()).digest()


def matches(key: str, sha256: bytes) -> bool:
    """Tell whether `key` has that hash, in constant time."""
    return hmac.compare_digest(digest(key), sha256)


def masked(presented: str) -> str:
    """Show enough of a key to recognise it by, and too little to use it: `sk-gw-ab12****wxyz`."""
    if len(presented) < _TOO_SHORT_TO_SHOW:
        return "****"
    shown = len(PREFIX) + 4 if presented.startswith(PREFIX) else 3
    return f"{presented[:shown]}****{presented[-4:]}"

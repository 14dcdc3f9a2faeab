"""What a request says about replays: `Cache-Control` and `Idempotency-Key`."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.errors import InvalidRequest
from gateway.generation.admission import Policy

_LONGEST_KEY = 255


def policy_of(lines: Iterable[str]) -> Policy:
    """Read all lines of the request's `Cache-Control` (RFC 9111, 5.2.1).

    Directives without a meaning here are ignored.

    Raises:
        InvalidRequest: `max-age` is no number of seconds.

    """
    directives = {}
    for directive in ",".join(lines).lower().split(","):
        name, _, value = directive.strip().partition("=")
        directives[name] = value.strip('"')
    max_age = directives.get("max-age")
    if max_age is not None and not (max_age.isascii() and max_age.isdecimal()):
        raise InvalidRequest(
            f"Invalid 'Cache-Control': max-age is a whole number of seconds, but got '{max_age[:40]}'.",
            param="Cache-Control",
        )
    is_bypassed = "no-cache" in directives or "no-store" in directives
    return Policy(
        reads=not is_bypassed,
        stores="no-store" not in directives,
        anew="no-cache" in directives,
        max_age_s=None if max_age is None else min(int(max_age[:12]), 10**9),
    )


def idempotency_of(lines: Sequence[str], fields: Mapping[str, Any]) -> tuple[str, str]:
    """Hash the request's `Idempotency-Key`, of which all `lines` are given, and its body; none is ("", "").

    A body's order of keys is no matter.

    Raises:
        InvalidRequest: the key is empty, too long, or not the only one.

    """
    if not lines:
        return "", ""
    if len(lines) > 1:
        raise InvalidRequest(
            f"Invalid 'Idempotency-Key': expected one, but the request has {len(lines)} of them.",
            param="Idempotency-Key",
        )
    (key,) = lines
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise InvalidRequest(
            f"Invalid 'Idempotency-Key': expected 1 to {_LONGEST_KEY} characters, but got {len(key)}.",
            param="Idempotency-Key",
        )
    return _hash(key.encode()), _hash(msgspec.json.encode(fields, order="deterministic"))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""How a generation ends: with pictures, or with an error that others may have to be told as well."""

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway import errors
from gateway.dialects.base import Usage
from gateway.errors import GatewayError, UpstreamFailed
from gateway.generation.pictures import Picture


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a generation delivered. `cost` is in micro-dollars, None where the model has no price."""

    pictures: list[Picture]
    usage: Usage | None
    cost: int | None


_KINDS: dict[str, type[GatewayError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, GatewayError)
}


def record(error: GatewayError) -> bytes:
    """Write an error down, for those who wait for the same generation."""
    kind = next(base.__name__ for base in type(error).__mro__ if base.__name__ in _KINDS)
    facts = {
        "kind": kind,
        "message": error.message,
        "code": error.code,
        "param": error.param,
        "type": error.type,
        "retry_after": error.retry_after,
        "should_retry": error.should_retry,
    }
    return msgspec.json.encode(facts)


def recall(text: str | None) -> GatewayError:
    """Make the error that was written down."""
    if not text:
        return UpstreamFailed("The picture could not be made.")
    facts: dict[str, Any] = msgspec.json.decode(text)
    kind = _KINDS[facts.pop("kind")]
    error = kind.__new__(kind)  # a class's own constructor may not take all of it
    GatewayError.__init__(error, facts.pop("message"), **facts)
    return error

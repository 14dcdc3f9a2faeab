"""Hashes of texts, to and from what redis-py takes and gives."""

from collections.abc import Mapping

from redis.typing import EncodableT, FieldT


def text(value: object) -> str:
    """Read what Redis sent as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def decoded(held: Mapping[bytes | str, bytes | str]) -> dict[str, str]:
    """Read a whole hash."""
    return {text(name): text(value) for name, value in held.items()}


def paired(flat: list[bytes | str]) -> dict[str, str]:
    """Read a hash as a script gives it: names and values by turns."""
    return decoded(dict(zip(flat[::2], flat[1::2], strict=True)))


def encodable(fields: Mapping[str, str]) -> dict[FieldT, EncodableT]:
    """Write a hash as a command takes it."""
    return dict(fields.items())


def flat(fields: Mapping[str, str]) -> list[str]:
    """Write a hash as a script takes it: names and values by turns."""
    return [part for field in fields.items() for part in field]

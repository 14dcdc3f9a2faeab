"""The clients of both stores, as settings want them."""

from typing import Any

from gateway.settings import Settings, SettingsError
from gateway.store.connection import Client, connect


def connect_stores(settings: Settings) -> tuple[Client, Client]:
    """Make the clients of state and of blobs; they connect on first use. Raises SettingsError."""
    where = {"url": settings.blobs.url or settings.redis.url, "command_timeout_s": settings.blobs.command_timeout_s}
    return connect_state(settings), _client("blobs.url", settings.redis.connection() | where)


def connect_state(settings: Settings) -> Client:
    """Make the client of state alone. Raises SettingsError."""
    return _client("redis.url", settings.redis.connection())


def _client(key: str, options: dict[str, Any]) -> Client:
    try:
        return connect(**options)
    except ValueError as error:
        raise SettingsError(f"{key}: {error}") from None

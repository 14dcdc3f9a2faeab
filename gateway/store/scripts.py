"""Lua scripts (placeholder until merged)."""

from pathlib import Path
from typing import Any

from redis.asyncio import Redis

_FOLDER = Path(__file__).parent / "lua"


def text_of(name: str) -> str:
    text = (_FOLDER / f"{name}.lua").read_text()
    first = text.partition("\n")[0]
    uses = first.removeprefix("-- uses:").split(",") if first.startswith("-- uses:") else []
    return "\n".join([*((_FOLDER / f"{n.strip()}.lua").read_text() for n in uses), text])


class Scripts:
    def __init__(self, redis: Redis, *, wait_replicas: bool = False, wait_ms: int = 1000) -> None:
        self._redis = redis
        self._known: dict[str, Any] = {}

    async def run(self, name: str, key: str, *args: bytes | str | int, durable: bool = False) -> Any:
        if name not in self._known:
            self._known[name] = self._redis.register_script(text_of(name))
        return await self._known[name](keys=[key], args=args)

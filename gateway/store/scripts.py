"""Lua scripts on any kind of Redis: each runs at most once per call, and durably where that is wanted."""

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
from redis.exceptions import NoScriptError

from gateway.store.commands import send
from gateway.store.connection import Client, NotDurable
from gateway.store.exchange import Command
from gateway.store.timing import Timed

LUA = Path(__file__).parent / "lua"

_USES = re.compile(r"-- uses: (?P<fragments>\w+(?:, \w+)*)\n")


class _Script(msgspec.Struct, frozen=True):
    text: str
    sha1: str


class Scripts:
    """Runs the scripts `<folder>/<name>.lua`.

    A script's first line may be `-- uses: windows, book`: those fragments of the folder are put before it, in that
    order. With `wait_replicas` a durable run is over when one replica has what was written, which may take
    `wait_ms` milliseconds.
    """

    def __init__(
        self,
        redis: Client,
        *,
        wait_replicas: bool = False,
        wait_ms: int = 1000,
        folder: Path = LUA,
        timed: Timed | None = None,
    ) -> None:
        self._redis = redis
        self._timed = timed or Timed()
        self._wait_replicas = wait_replicas
        self._wait_ms = wait_ms
        self._folder = folder
        self._read: dict[str, _Script] = {}

    async def run(self, name: str, key: str, *args: bytes | str | int, durable: bool = False) -> Any:
        """Run a script on the server of `key`, its KEYS[1]; `args` are its ARGV. One round trip, once it is loaded.

        Raises NotDurable, ResponseError for an error of the script's own, and whatever else is RedisTrouble, after
        which it may have run.
        """
        return await self._timed.call(name, self._run(name, key, args, durable))

    async def _run(self, name: str, key: str, args: tuple[bytes | str | int, ...], durable: bool) -> Any:
        script = self._read.get(name) or self._load(name)
        try:
            return await self._send(("EVALSHA", script.sha1, 1, key, *args), key, durable)
        except NoScriptError:  # it did not run; EVAL loads it as well, and no SCRIPT FLUSH can come between
            return await self._send(("EVAL", script.text, 1, key, *args), key, durable)

    async def _send(self, command: Command, key: str, durable: bool) -> Any:
        waits = durable and self._wait_replicas
        commands = [command, ("WAIT", 1, self._wait_ms)] if waits else [command]
        takes_s = self._wait_ms / 1000 if waits else 0
        replies = await send(self._redis, key, commands, takes_s)
        if waits and replies[1] < 1:
            raise NotDurable(f"No replica confirmed a write within {self._wait_ms} ms.")
        return replies[0]

    def _load(self, name: str) -> _Script:
        own = (self._folder / f"{name}.lua").read_text(encoding="utf-8")
        uses = _USES.match(own)
        fragments = dict.fromkeys(uses["fragments"].split(", ") if uses else ())
        parts = [(self._folder / f"{fragment}.lua").read_text(encoding="utf-8") for fragment in fragments]
        text = "\n".join([*parts, own])
        return self._read.setdefault(
            name, _Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
        )

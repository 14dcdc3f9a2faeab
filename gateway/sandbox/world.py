"""Everything the sandbox remembers; a reset makes a new one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.sandbox.drills import Armed
from gateway.sandbox.files import Files
from gateway.sandbox.record import Record
from gateway.sandbox.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Settings:
    """`delay` of a synchronous answer, `task_delay` of a task and `url_life` of a link are in seconds.

    Without an `api_key`, any key that begins with `sk-` will do.
    """

    api_key: str | None = None
    delay: float = 0.0
    task_delay: float = 1.5
    url_life: float = 600.0


@dataclass(frozen=True, slots=True)
class Origins:
    """The three addresses; nobody may ever call the last."""

    api: str
    tasks: str
    polling: str


class World:
    """One run's calls, drills, tasks and links."""

    def __init__(self, settings: Settings, origins: Origins, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.origins = origins
        self.clock = clock
        self.record = Record()
        self.armed = Armed()
        self.files = Files(origins.api, settings.url_life, clock)
        self.tasks = Tasks(self.files, settings.task_delay, clock)
        self._serial = 0
        self.released = asyncio.Event()

    def next_serial(self) -> int:
        """Give a number that no other picture of this world has."""
        self._serial += 1
        return self._serial

    def release(self) -> None:
        """Let every held reply and task go; later ones are held anew."""
        self.released.set()
        self.released = asyncio.Event()
        self.tasks.release()

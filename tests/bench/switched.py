"""A gateway whose metrics and logs are switched by signals; the launcher's arguments make it a worker.

Two processes of one program differ in speed by as much as metrics and logs cost, so that both are measured in one.
"""

import os
import signal
import sys
from pathlib import Path

from gateway.app import Gateway, create_app
from gateway.catalog import load_catalog
from gateway.launcher import Launcher
from gateway.settings import Settings, load_settings, shipped
from gateway.telemetry.events import Event
from gateway.telemetry.log import LogListener
from gateway.telemetry.metrics import Metrics
from gateway.worker import serve

ON, OFF = signal.SIGUSR1, signal.SIGUSR2


class _Switched:
    """Hands events on to the listeners that a gateway has, as long as it is on."""

    def __init__(self, *listeners):
        self._listeners = listeners
        self._is_on = True
        for number in (ON, OFF):
            signal.signal(number, self._switch)

    def _switch(self, number, _):
        self._is_on = number == ON

    def __call__(self, event: Event) -> None:
        if self._is_on:
            for listener in self._listeners:
                listener(event)


def _app(settings: Settings) -> Gateway:
    catalog = load_catalog(Path(settings.server.models or shipped("models.toml")), settings.images.aliases)
    metrics = Metrics((model.id for model in catalog.models), most_teams=settings.metrics.max_teams)
    return create_app(settings, listeners=[_Switched(LogListener(), metrics)])


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(_app)
    else:
        settings = load_settings(os.environ, {"server.port": 0})
        Launcher(settings, with_key=True, worker=(sys.executable, "-m", "tests.bench.switched")).run()

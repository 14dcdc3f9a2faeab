"""A gateway whose metrics and logs are switched by signals; the launcher's arguments make it a worker.

Two processes of one program differ in speed by as much as metrics and logs cost, so that both are measured in one.
"""

import os
import signal
import sys
from functools import partial

from gateway.app import create_app
from gateway.launcher import Launcher
from gateway.settings import load_settings
from gateway.worker import serve

ON, OFF = signal.SIGUSR1, signal.SIGUSR2


class _Switched:
    """Hands events on as long as it is on."""

    def __init__(self, emit):
        self._emit = emit
        self._is_on = True
        for number in (ON, OFF):
            signal.signal(number, self._switch)

    def _switch(self, number, _):
        self._is_on = number == ON

    def __call__(self, event):
        if self._is_on:
            self._emit(event)


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(partial(create_app, around_telemetry=_Switched))
    else:
        settings = load_settings(os.environ, {"server.port": 0})
        Launcher(settings, with_key=True, worker=(sys.executable, "-m", "tests.bench.switched")).run()

"""A gateway that neither counts metrics nor writes log lines; the launcher's arguments make it a worker."""

import os
import sys
from functools import partial

from gateway.app import create_app
from gateway.launcher import Launcher
from gateway.settings import load_settings
from gateway.worker import serve

if __name__ == "__main__":
    if sys.argv[1:]:
        serve(partial(create_app, listeners=()))
    else:
        settings = load_settings(os.environ, {"server.port": 0})
        Launcher(settings, with_key=True, worker=(sys.executable, "-m", "tests.bench.quiet")).run()

"""`gateway serve`."""

import os

import click

from gateway.settings import load_settings


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 is any free one.  [default: 8080]")
@click.option("--workers", type=int, help="Worker processes.  [default: 1]")
@click.option("--with-key", is_flag=True, help="Make an API key that lasts 7 days, and show how to use it.")
def serve(host: str | None, port: int | None, workers: int | None, *, with_key: bool) -> None:
    """Start the gateway; it stops on Ctrl-C or SIGTERM, once its requests have finished.

    Without AIHUBMIX_API_KEY it draws simulated pictures; without REDIS_URL it brings its own store.
    """
    flags = {"server.host": host, "server.port": port, "server.workers": workers}
    settings = load_settings(os.environ, {key: value for key, value in flags.items() if value is not None})

    from gateway.launcher import Launcher  # noqa: PLC0415  keeps wrong usage and --help quick

    Launcher(settings, with_key=with_key).run()

"""`python -m gateway.sandbox`: the simulated Aihubmix in a process of its own."""

import click

from gateway.sandbox.server import run
from gateway.sandbox.world import Settings

_DEFAULTS = Settings()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, help="Port of the API; 0 is any free one.")
@click.option("--tasks-port", default=0, help="Port of the task polling; 0 is any free one.")
@click.option("--api-key", help="The one key to accept; without it, any that begins with sk-.")
@click.option("--task-delay", default=_DEFAULTS.task_delay, show_default=True, help="Seconds until a task is ready.")
@click.option("--delay", default=_DEFAULTS.delay, show_default=True, help="Seconds before each synchronous answer.")
@click.option("--url-life", default=_DEFAULTS.url_life, show_default=True, help="Seconds that a link lives.")
def main(  # noqa: PLR0917  click passes them by name
    host: str, port: int, tasks_port: int, api_key: str | None, task_delay: float, delay: float, url_life: float
) -> None:
    """Serve a simulated Aihubmix; prints its addresses as one JSON line when it is ready."""
    run(host, port, tasks_port, Settings(api_key=api_key, delay=delay, task_delay=task_delay, url_life=url_life))


if __name__ == "__main__":
    main(prog_name="python -m gateway.sandbox")

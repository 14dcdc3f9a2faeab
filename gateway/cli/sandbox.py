"""`gateway sandbox`."""

import click

from gateway.processes import StartFailed


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port of the API; 0 is any free one.")
@click.option("--tasks-port", default=0, help="Port of the task polling; 0 is any free one.")
def sandbox(host: str, port: int, tasks_port: int) -> None:
    """Start a simulated Aihubmix, which draws pictures and charges nothing.

    It prints one line of JSON: use its base_url as AIHUBMIX_BASE_URL, its tasks_url as AIHUBMIX_TASKS_URL, and
    anything that begins with sk- as AIHUBMIX_API_KEY.
    """
    from gateway.sandbox.server import run  # noqa: PLC0415  keeps wrong usage and --help quick

    try:
        run(host, port, tasks_port)
    except OSError as error:
        raise StartFailed(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from error

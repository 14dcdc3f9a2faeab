"""The command line. Each command's module is imported when it is run, so that `--help` is quick."""

import sys
from importlib import import_module

import click

from gateway import __version__
from gateway.errors import GatewayError
from gateway.processes import StartFailed
from gateway.settings import SettingsError

COMMANDS = {
    "serve": "Start the gateway.",
    "keys": "Create, list, limit, rotate and revoke API keys.",
    "teams": "Limit teams, and list them.",
    "apply": "Make teams, keys and their limits what a file says.",
    "usage": "Tell what was used and what it cost.",
    "generations": "Tell what is under way, and settle disputes.",
    "cache": "Drop cached pictures.",
    "brakes": "Set a budget of the whole gateway, switch models off.",
    "models": "List the models and their prices.",
    "check": "Tell what is wrong with settings, Redis or prices.",
    "sandbox": "Start a simulated Aihubmix.",
}


class _Commands(click.Group):
    """The commands of `COMMANDS`, each the object of its own name in the module of its own name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  the same
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"gateway.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  the same
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gateway")
def gateway() -> None:
    """Draw with every image model of Aihubmix through one OpenAI-compatible endpoint."""


def main() -> None:
    """Run the command line: exit status 0 for success, 1 for a failure, 2 for wrong usage or settings."""
    try:
        gateway(prog_name="gateway")
    except SettingsError as error:
        _fail(error, 2)
    except (StartFailed, GatewayError) as error:
        _fail(error, 1)


def _fail(error: Exception, status: int) -> None:
    click.echo(f"Error: {error}", err=True)
    sys.exit(status)

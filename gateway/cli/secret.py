"""Showing new keys, this once."""

import errno
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from gateway.cli.stored import with_store
from gateway.settings import Settings
from gateway.store.key_record import CreatedKey


def show_secrets(settings: Settings, text: str, made: Sequence[CreatedKey]) -> None:
    """Write `text`, which holds the secrets of `made`; keys that cannot be shown are revoked, for nobody has them.

    Raises:
        click.ClickException: it could not be written.

    """
    try:
        _write(text)
    except OSError as error:
        for key in made:
            click.echo(f"The key {key.id} of team {key.team} was made, but not shown: {error.strerror}.", err=True)
            with_store(settings, lambda store, key_id=key.id: store.keys.revoke(key_id))  # type: ignore[misc]
        told = [f"The key {key.id} is revoked, since nobody knows its secret." for key in made]
        raise click.ClickException("\n".join(told) or f"standard output: {error.strerror}") from None


def _write(text: str) -> None:
    """Write to standard output, now and in full; raises OSError."""
    if sys.stdout is None:  # what Python makes of a closed one, and click passes over in silence
        raise OSError(errno.EBADF, "standard output is closed")
    try:
        click.echo(text)
    except OSError:
        with suppress(OSError):
            sys.stdout.close()  # drops the text, which Python would try to write once more at its end
        raise

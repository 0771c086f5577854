"""The hook through which ``allumette train`` reaches the command line of allumette-core."""

from __future__ import annotations

import click
from allumette_core.backend.hooks import hookimpl

__all__ = ["allumette_commands"]


@hookimpl
def allumette_commands(app: click.Group) -> None:
    """Add ``train``."""
    from allumette_train.command import train

    app.add_command(train)

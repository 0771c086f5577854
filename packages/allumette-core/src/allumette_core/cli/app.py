"""The program `allumette`: its commands, and how it ends."""

import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import NoReturn

import click

from ..conformance.command import conform, new_backend
from ..errors import AllumetteError
from . import render, reports
from .plugins import CommandStatus, PluginGroup

# A group called without a command raises its whole help text, since click 8.2.
_NO_ARGUMENTS: tuple[type[Exception], ...] = (
    (click.exceptions.NoArgsIsHelpError,) if hasattr(click.exceptions, "NoArgsIsHelpError") else ()
)
FAILED, INTERRUPTED = 2, 128 + signal.SIGINT

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"allumette {reports.version('allumette-core') or 'unknown'}")
        ctx.exit()


@click.group(
    cls=PluginGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version of allumette-core.",
)
@click.pass_context
def app(ctx: click.Context) -> None:
    """A small tensor library with pluggable backends."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help().rstrip())


@app.command()
@_json
def backends(as_json: bool) -> None:
    """List the backends and what ails them."""
    with render.progress() as progress:
        report = reports.backends_report(progress)
    (render.show_json if as_json else render.show_backends)(report)


@app.command()
@_json
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Describe this installation and what ails it.

    Exits with 1 if no backend is usable.
    """
    with render.progress() as progress:
        report = reports.doctor_report(_commands(), progress)
    (render.show_json if as_json else render.show_doctor)(report)
    ctx.exit(0 if report["ok"] else 1)


app.add_command(conform)
app.add_command(new_backend)


def _commands() -> list[CommandStatus]:
    assert isinstance(app, PluginGroup)
    with redirect_stdout(sys.stderr):
        found = app.statuses()
    for status in found:
        if status.reason:
            click.echo(f"warning: {status.explain()}", err=True)
    return found


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (of the process, or `args`) and exit.

    0: done; 1: `doctor` found no usable backend; 2: the request was wrong, with one line on stderr
    that says how; 130: interrupted.
    """
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show is no reason to fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = app.main(args, prog_name="allumette", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        return _refuse(error)
    except AllumetteError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(_os_error(error))
    return int(result or 0)


def _fail(message: str) -> int:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    return FAILED


def _refuse(error: click.ClickException) -> int:
    if isinstance(error, _NO_ARGUMENTS):
        error.show()
        return FAILED
    context = getattr(error, "ctx", None)
    hint = f" (see '{context.command_path} --help')" if context is not None else ""
    return _fail(error.format_message().removesuffix(".") + hint)


def _os_error(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename is not None else what

"""The commands `allumette conform` and `allumette new-backend`."""

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from ..errors import AllumetteError
from .processes import run_suites

PASSED, FAILED, NOTHING_EXECUTED, UNAVAILABLE = 0, 1, 3, 4
_REPORT = "A folder for pages, JSON, JUnit, a badge and scripts that reproduce failures."
_BY_WEIGHT = (PASSED, NOTHING_EXECUTED, UNAVAILABLE, FAILED)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--level", default="L0-L5", show_default=True, help="Which levels: L1, L0-L2, or L0,L5."
)
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), help=_REPORT)
@click.option("--seed", default=0, show_default=True, help="Of all random values.")
@click.option("--quick/--full", default=True, help="Few cases, or many and large ones.")
@click.option("-k", "expression", metavar="EXPR", help="Only checks whose name matches.")
@click.pass_context
def conform(
    ctx: click.Context,
    names: tuple[str, ...],
    level: str,
    report: Path | None,
    seed: int,
    quick: bool,
    expression: str | None,
) -> None:
    """Hold backends to the contract; `all` means every one that is installed.

    Exits with 0 if all is well, 1 if a check failed, 2 if the request is wrong, 3 if nothing ran,
    4 if a backend is not available.
    """
    _need_extra()
    from .report import made_ready

    options = [f"--allumette-level={level}", f"--allumette-seed={seed}"]
    options += [] if quick else ["--allumette-full"]
    options += ["-k", expression] if expression else []
    with tempfile.TemporaryDirectory() as scratch:
        chosen = _expanded(names)
        directory = (report or Path(scratch)).resolve()
        for name in chosen:
            made_ready(directory / name)
        codes = run_suites(chosen, options, directory)
        if len(codes) > 1:
            _compare(codes, directory)
    ctx.exit(next((c for c in codes.values() if c not in _BY_WEIGHT), _worst(codes)))


def _worst(codes: dict[str, int]) -> int:
    return max(codes.values(), key=lambda c: _BY_WEIGHT.index(c) if c in _BY_WEIGHT else 0)


def _need_extra() -> None:
    lacking = [name for name in ("pytest", "hypothesis") if find_spec(name) is None]
    if lacking:
        raise AllumetteError(
            f"the conformance kit needs {' and '.join(lacking)}. "
            "Remedy: pip install 'allumette-core[conformance]'"
        )


def _expanded(names: tuple[str, ...]) -> list[str]:
    """`names`, each once, with `all` as what is installed."""
    for name in names:
        if Path(name).name != name:  # a folder of the report has this name
            raise click.BadParameter(f"no backend has the name {name!r}", param_hint="NAME")
    if "all" not in names:
        return list(dict.fromkeys(names))
    from ..backend.registry import backends

    found = [status for status in backends() if status.usable]
    for status in backends():
        if not status.usable:
            click.echo(f"left out: {status.explain()}", err=True)
    return list(dict.fromkeys([*(n for n in names if n != "all"), *(s.name for s in found)]))


def _compare(codes: dict[str, int], directory: Path) -> None:
    """The headlines one under another, and a page that has the backends side by side."""
    from .comparison import comparison

    width = max(map(len, codes))
    reports: dict[str, Any] = {}
    click.echo()
    for name, code in codes.items():
        path = directory / name / "report.json"
        data = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        reports[name] = data
        told = data["headline"] if data else "not available" if code == UNAVAILABLE else "no report"
        click.echo(f"{name:{width}}  exit {code}  {told}")
    try:
        (directory / "comparison.html").write_text(comparison(reports), encoding="utf-8")
    except OSError as error:
        raise AllumetteError(f"the report could not be written: {error.strerror}") from error


@click.command("new-backend")
@click.argument("name")
@click.option(
    "--wraps",
    type=click.Choice(["numpy", "torch"]),
    default="numpy",
    show_default=True,
    help="The library whose arrays and functions it is made of.",
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder in which the project's folder is made; the current one by default.",
)
@click.option("--install", is_flag=True, help="Install it here, so that edits count at once.")
def new_backend(name: str, wraps: str, into: Path, install: bool) -> None:
    """Write the project of a new backend: complete, working and publishable."""
    from .scaffold import scaffold

    project = scaffold(name, wraps, into)
    click.echo(f"wrote {project}; next:")
    if install:
        _install(project)
    else:
        click.echo(f"  pip install -e '{project}[test]'")
    click.echo(f"  allumette conform {name}")


def _install(project: Path) -> None:
    """By pip, into the environment of this interpreter."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "-e", f"{project}[test]"]
    if subprocess.run(command, check=False).returncode:
        raise AllumetteError(
            f"{project} is written, but pip could not install it; see above. Remedy: install it "
            f"with the tool that made this environment, such as uv pip install -e '{project}[test]'"
        )

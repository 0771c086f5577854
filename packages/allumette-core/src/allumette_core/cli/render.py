"""Reports as text: aligned plain lines in a file or pipe, tables on a terminal."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from .reports import Progress, Report

_STYLES = {"usable": "green", "unavailable": "yellow"}


def show_json(report: Report) -> None:
    """`report` for programs."""
    click.echo(json.dumps(report, indent=2, ensure_ascii=True))


def show_backends(report: Report) -> None:
    """`allumette backends`."""
    show_statuses("backend", report["backends"])
    _line(default_line(report))


def show_doctor(report: Report) -> None:
    """`allumette doctor`."""
    python, system, cpu = report["python"], report["platform"], report["cpu"]
    facts = {
        "python": f"{python['implementation']} {python['version']} ({python['executable']})",
        "platform": f"{system['system']} {system['release']} {system['machine']}",
        "cpu": f"{cpu['count']} processors, {cpu['usable']} usable",
        "location": report["location"],
        **{name: found or "not installed" for name, found in report["packages"].items()},
        **report["environment"],
    }
    _show_facts(facts)
    _line("")
    show_statuses("backend", report["backends"])
    for device, known in report["devices"].items():
        _line("")
        _show_facts({"device": device, **known})
    if report["commands"]:
        _line("")
        show_statuses("command", report["commands"])
    _line("")
    _line(default_line(report))
    if not report["ok"]:
        _line("no backend is usable")


def _show_facts(facts: dict[str, str]) -> None:
    width = max(map(len, facts))
    for name, fact in facts.items():
        _line(f"{name:{width}}  {fact}")


def default_line(report: Report) -> str:
    """Which device is the default, and why."""
    device, why = report["default"]["device"], report["default"]["why"]
    return f"default: none, because {why}" if device is None else f"default: {device} ({why})"


def show_statuses(kind: str, entries: Iterable[Report]) -> None:
    """Name, state, origin and details of each of `entries`."""
    rows = [
        (e["name"], e["state"], f"{e['distribution']} {e['version']}".strip(), _details(e))
        for e in entries
    ]
    if sys.stdout.isatty():
        _table((kind, "state", "from", "details"), rows)
        return
    widths = [min(max(len(row[i]) for row in rows), 28) for i in range(3)]
    for *cells, details in rows:
        head = "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        _line(f"{head}  {details[0] if details else ''}".rstrip())
        for detail in details[1:]:
            _line(f"    {detail}")


def _details(entry: Report) -> list[str]:
    details = [entry["reason"] or entry.get("summary", ""), *entry.get("notes", ())]
    if entry["remedy"]:
        details.append(f"remedy: {entry['remedy']}")
    return [detail for detail in details if detail]


def _table(header: tuple[str, ...], rows: list[tuple[str, str, str, list[str]]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header)
    for name, state, origin, details in rows:
        style = _STYLES.get(state, "red")
        table.add_row(Text(name), Text(state, style), Text(origin), Text("\n".join(details)))
    Console().print(table)


def _line(text: str) -> None:
    click.echo(text)


@contextmanager
def progress() -> Iterator[Progress | None]:
    """On a terminal, say which plugin is being looked at, since one may be slow to import."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("looking for backends") as status:

        def show(name: str) -> Any:
            status.update(Text(f"looking at {name}"))

        yield show

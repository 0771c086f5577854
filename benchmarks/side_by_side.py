"""One job on several libraries: a process each, rounds interleaved, medians; a line of a table.

What else the machine does hits all alike that way. A library that is not installed is left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

OURS = ("allumette-seq", "allumette-par")


def options(description: str | None, limit: float) -> argparse.ArgumentParser:
    """A parser with what every table can be told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=limit, help="seconds for a measurement")
    parser.add_argument("--peers-python", default=sys.executable, help="runs the other libraries")
    return parser


def heading(unit: str, first: str, peers: tuple[str, ...]) -> str:
    """The first lines of a table."""
    names = [first, *peers, *OURS, "best peer / ours", "spread of losses"]
    lines = (f"Milliseconds {unit}.", "", _line(names), _line(["---"] * len(names)))
    return "\n".join(lines)


def row(
    name: str, jobs: Path, arguments: list[str], peers: tuple[str, ...], given: argparse.Namespace
) -> str:
    """`jobs LIBRARY *arguments` of all libraries, as a line of the table."""
    found: dict[str, list[dict[str, float]]] = {library: [] for library in (*peers, *OURS)}
    missing: dict[str, str] = {}
    for _ in range(given.rounds):
        for library in [name for name in found if name not in missing]:
            python = sys.executable if library in OURS else given.peers_python
            got = _measured([python, str(jobs), library, *arguments], given.limit)
            if isinstance(got, str):
                missing[library] = got
            else:
                found[library].append(got)
    for library, why in missing.items():
        print(f"{library}, {name}: {why}", file=sys.stderr)
    medians = {
        library: statistics.median(one["seconds"] for one in results) * 1e3
        for library, results in found.items()
        if results
    }
    best = min((medians[n] for n in OURS if n in medians), default=float("nan"))
    least = min((medians[n] for n in peers if n in medians), default=None)
    losses = [one["loss"] for results in found.values() for one in results]
    spread = max(losses, default=0.0) - min(losses, default=0.0)
    cells = [f"{medians[n]:.3g}" if n in medians else "" for n in found]
    return _line([name, *cells, "" if least is None else f"{least / best:.2f}", f"{spread:.0e}"])


def _measured(command: list[str], limit: float) -> dict[str, float] | str:
    """One measurement, or why there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"took more than {limit:g} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no output"])[-1][:100]
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"

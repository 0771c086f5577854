"""What a run found: as JSON (a versioned schema), a page, a badge, and a headline."""

import errno
import json
import os
import platform
import time
from collections import Counter
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .check import Outcome
from .subject import Subject

SCHEMA = "allumette-conformance/1"
"""Grows only when a field goes or changes its meaning; fields may be added."""


@dataclass
class Run:
    """One run of the kit on one backend."""

    subject: Subject
    levels: tuple[int, ...]
    outcomes: list[Outcome] = field(default_factory=list)
    selected: list[str] = field(default_factory=list)
    deselected: int = 0
    started: float = field(default_factory=time.time)
    seconds: float = 0.0
    unwritten: str = ""
    """Why the reports could not be written."""

    def title(self) -> str:
        """The backend, and how it was tested."""
        info = self.subject.backend.info
        thorough = "full" if self.subject.full else "quick"
        of_levels = ", ".join(f"L{n}" for n in self.levels)
        return f"{info.name} {info.version}".strip() + (
            f", {of_levels}, {thorough}, seed {self.subject.seed}"
        )

    def counts(self) -> dict[str, int]:
        """The numbers of the headline."""
        states = Counter(o.state for o in self.outcomes)
        executed = [o for o in self.outcomes if o.state != "skipped"]
        fallback = sum(o.mode == "fallback" for o in executed)
        return {
            "total": len(self.selected),
            "executed": len(executed),
            "native": len(executed) - fallback,
            "fallback": fallback,
            "skipped": states["skipped"],
            "gaps": len(self.gaps()),
            "failed": sum(o.failed for o in self.outcomes),
            "known": states["known"],
            "unexplained": len(set(self.selected) - {o.check.id for o in self.outcomes}),
        }

    def gaps(self) -> Counter[str]:
        """How many checks each thing that is not declared has cost."""
        return Counter(o.gap for o in self.outcomes if o.state == "skipped")

    def headline(self) -> str:
        """One line that hides nothing."""
        c = self.counts()
        gaps = f"{c['gaps']} declared gap" + "s" * (c["gaps"] != 1)
        line = (
            f"executed {c['executed']}/{c['total']}, native {c['native']}, fallback "
            f"{c['fallback']}, skipped {c['skipped']} by {gaps}, unexplained {c['unexplained']}"
        )
        line += f", failed {c['failed']}" if c["failed"] else ""
        return line + (f", known to fail {c['known']}" if c["known"] else "")

    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 nothing executed."""
        counts = self.counts()
        if not counts["executed"]:
            return 3
        return 1 if counts["failed"] or counts["unexplained"] or self.unwritten else 0


def summary(run: Run) -> list[str]:
    """The headline and the remarks, as lines."""
    lines = [run.headline()]
    lines += [f"  not declared: {gap} ({n} checks)" for gap, n in sorted(run.gaps().items())]
    noted = Counter(o.note for o in run.outcomes if o.note and o.state in ("passed", "skipped"))
    lines += [f"  {note}: {n} checks" for note, n in noted.items()]
    return lines + [f"error: the report could not be written: {run.unwritten}"] * bool(
        run.unwritten
    )


def as_json(run: Run) -> dict[str, Any]:
    """The whole run as plain data."""
    info = run.subject.backend.info
    capabilities = {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in ((n, getattr(info.capabilities, n)) for n in info.capabilities.__slots__)
    }
    return {
        "schema": SCHEMA,
        "backend": {
            "name": info.name, "version": info.version, "spec": info.spec,
            "summary": info.summary, "devices": list(run.subject.backend.devices()),
            "capabilities": capabilities,
        },
        "core": metadata.version("allumette-core"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "seed": run.subject.seed,
        "thorough": "full" if run.subject.full else "quick",
        "levels": [f"L{n}" for n in run.levels],
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.started)),
        "seconds": round(run.seconds, 2),
        "headline": run.headline(),
        "counts": run.counts(),
        "gaps": dict(sorted(run.gaps().items())),
        "deselected": run.deselected,
        "exit_code": run.exit_code(),
        "checks": [_outcome(o) for o in run.outcomes],
    }  # fmt: skip


def _outcome(o: Outcome) -> dict[str, Any]:
    ulp = o.measure.ulp
    return {
        "id": o.check.id, "level": f"L{o.check.level}", "primitive": o.check.primitive,
        "dtype": o.check.dtype, "state": o.state, "mode": o.mode, "gap": o.gap, "note": o.note,
        "max_ulp": round(ulp, 3) if ulp == ulp and abs(ulp) < 1e300 else None,
        "worst_input": o.measure.worst, "problem": o.problem, "repro": o.repro,
        "seconds": round(o.seconds, 4),
    }  # fmt: skip


def badge(data: dict[str, Any]) -> str:
    """A badge for a README, in Markdown."""
    counts, name = data["counts"], data["backend"]["name"]
    good = data["exit_code"] == 0
    message = f"{counts['executed'] - counts['failed']}/{counts['total']}" + (
        "" if good else " failing"
    )
    label = quote(f"allumette {name}".replace("-", "--"), safe="")
    text = quote(message.replace("-", "--"), safe="")
    colour = "brightgreen" if good else "red"
    return f"![conformance](https://img.shields.io/badge/{label}-{text}-{colour})\n"


def write(run: Run, directory: Path) -> None:
    """report.json, report.html, badge.md and a script for each failure, in `directory`."""
    from .page import page

    directory.mkdir(parents=True, exist_ok=True)
    data = as_json(run)
    _put(directory / "report.json", json.dumps(data, indent=1, allow_nan=False))
    _put(directory / "report.html", page(data))
    _put(directory / "badge.md", badge(data))
    for outcome in run.outcomes:
        if outcome.failed and outcome.repro:
            _put(directory / f"repro-{outcome.check.id}.py", outcome.repro)


def _put(path: Path, text: str) -> None:
    """All of `text`, or no file."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        path.unlink(missing_ok=True)
        raise


def made_ready(directory: Path) -> None:
    """A folder for the files of `write`, without those of another run.

    Raises:
        OSError: it cannot be written, which is better known before the checks than after them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(directory))
    for pattern in ("report.*", "badge.md", "junit.xml", "repro-*.py"):
        for path in directory.glob(pattern):
            path.unlink()

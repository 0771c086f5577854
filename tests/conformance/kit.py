"""The kit as a command, for tests."""

import subprocess
import sys
import tomllib
from pathlib import Path


def conform(
    *arguments: str, path: Path | None = None, **options: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "", **options, **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, "-m", "allumette_core", "conform", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def site(project: Path) -> Path:
    """The folder of a `project`'s packages, made a site directory, as if it were installed."""
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    source = project / "src"
    info = source / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
    (info / "METADATA").write_text(head)
    lines = ""
    for group, entries in about["entry-points"].items():
        lines += f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items())
    (info / "entry_points.txt").write_text(lines)
    return source

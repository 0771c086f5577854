"""The kit as a command, for tests."""

import subprocess
import sys
from pathlib import Path


def conform(
    *arguments: str, path: Path | None = None, **options: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "", **options, **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, "-m", "allumette_core", "conform", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

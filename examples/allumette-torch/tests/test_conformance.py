"""The backend is held to allumette's contract."""

import subprocess
import sys
from pathlib import Path

from allumette_torch.backend import INFO, KERNELS


def test_it_declares_what_it_has() -> None:
    assert {primitive.name for primitive in KERNELS} == INFO.capabilities.native


def test_conformance(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "allumette_core",
        "conform",
        "torch",
        "--report",
        str(tmp_path),
    ]
    assert subprocess.run(command, check=False).returncode == 0

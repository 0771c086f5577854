"""Ctrl-C while a plugin is imported ends the command; it is no fault of the plugin."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

PLUGIN = """
import pathlib, time
pathlib.Path({started!r}).touch()
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_during_a_slow_import(python: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    (tmp_path / "t_endless.py").write_text(PLUGIN.format(started=str(started)), encoding="utf-8")
    info = tmp_path / "t_endless-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: t-endless\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[allumette.backends.v1]\nendless = t_endless\n")
    process = subprocess.Popen(
        [python, "-m", "allumette_core", "backends"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert err.endswith("interrupted\n")

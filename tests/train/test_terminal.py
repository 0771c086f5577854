"""`allumette train` on a terminal: the live bar, narrow windows, Ctrl-C."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from allumette_train import load_model
from allumette_train.interrupts import StopOnInterrupt

COMMAND = [sys.executable, "-m", "allumette_core", "train", "-b", "numpy"]


def on_a_terminal(
    arguments: list[str],
    folder: Path,
    *,
    columns: int = 80,
    term: str = "xterm",
    watch: Callable[[str, int], None] = lambda shown, pid: None,
) -> tuple[int, str]:
    """Run the command on a pseudo-terminal; ``watch(output so far, pid)`` may send signals."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment | {"TERM": term},
        start_new_session=True,
    )
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.05)[0]:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            shown += piece
        watch(shown.decode(errors="replace"), process.pid)
    os.close(ours)
    return process.wait(timeout=30), shown.decode(errors="replace")


def screen(shown: str) -> list[str]:
    """The lines as they stand at the end: what returns to the line's start overwrites it."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    return [line.split("\r")[-1] for line in plain.replace("\r\n", "\n").split("\n")]


@pytest.mark.parametrize("columns", [40, 80])
def test_the_bar_fits(tmp_path: Path, columns: int) -> None:
    code, shown = on_a_terminal(["-p", "2", "-i", "50"], tmp_path, columns=columns)
    assert code == 0
    assert "\x1b[" in shown
    lines = screen(shown)
    assert max(map(len, lines)) <= columns
    (bar,) = [line for line in lines if "50/50" in line]
    assert "loss 0." in bar
    assert "%" in bar
    assert any(line.startswith("saved") for line in lines)


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    code, shown = on_a_terminal(["-p", "2", "-i", "50"], tmp_path, term="dumb")
    assert code == 0
    assert "\x1b" not in shown
    assert "50/50  loss" in shown


def test_ctrl_c_saves_what_there_is(tmp_path: Path) -> None:
    sent: list[float] = []

    def press(shown: str, pid: int) -> None:
        if "loss 0." in shown and not sent:
            sent.append(time.monotonic())
            os.kill(pid, signal.SIGINT)

    arguments = ["-p", "3", "-i", "1000000", "-o", "m.safetensors"]
    code, shown = on_a_terminal(arguments, tmp_path, watch=press)
    assert code == 130
    assert "Traceback" not in shown
    assert time.monotonic() - sent[0] < 10
    lines = screen(shown)
    (stopped,) = [line for line in lines if line.startswith("stopped")]
    done = int(stopped.split()[-1].replace(",", ""))
    assert 0 < done < 1_000_000
    assert any(line.startswith("saved") and "m.safetensors" in line for line in lines)
    about = load_model(tmp_path / "m.safetensors", device="numpy").about
    assert about["summary"]["iterations"] == done
    assert about["summary"]["interrupted"]


def test_first_ctrl_c_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopOnInterrupt() as stop:
        assert not stop.requested
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before

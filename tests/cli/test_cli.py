"""The command `allumette` by itself: what it prints where, and how it ends."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from allumette_core.backend.plugin import Plugin
from allumette_core.cli import app, main
from allumette_core.errors import BackendError

COMMAND = [sys.executable, "-m", "allumette_core"]


def _run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {k: v for k, v in os.environ.items() if not k.startswith("ALLUMETTE_")}
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**env, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_version() -> None:
    result = _run("--version")
    assert (result.returncode, result.stdout) == (0, f"allumette {version('allumette-core')}\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: allumette [OPTIONS]")
    assert re.search(r"backends +List the backends", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "No such option '--bogus' (see 'allumette --help')"),
        (["backends", "x"], "Got unexpected extra argument (x) (see 'allumette backends --help')"),
        (["doctor", "--jason"], "No such option '--jason'"),
        (["nonsense"], "No such command 'nonsense' (see 'allumette --help')"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_json_is_all_there_is_on_stdout() -> None:
    result = _run("backends", "--json")
    report: Any = json.loads(result.stdout)
    assert report["schema"] == "allumette-backends/1"
    assert report["backends"][0]["name"] == "numpy"
    assert report["backends"][0]["state"] == "usable"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"numpy": {"driver": 3}}, ["device  numpy", "driver  3"]),
        (None, []),
        ({"numpy": 3}, ["device   numpy", "problem  .*allumette_describe raised AttributeError"]),
    ],
)
def test_the_doctor_tells_what_is_known_of_devices(
    told: Any,
    shown: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = Plugin.call

    def answered(self: Plugin, hook: str, **arguments: Any) -> Any:
        if hook != "allumette_describe":
            return call(self, hook, **arguments)
        return told if arguments["name"] == "numpy" else None

    monkeypatch.setattr(Plugin, "call", answered)
    assert app.run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert ("\ndevice" in out) == bool(shown)
    for line in shown:
        assert re.search(rf"^{line}", out, re.MULTILINE)


def test_no_control_codes_off_a_terminal() -> None:
    for command in ("backends", "doctor"):
        result = _run(command, FORCE_COLOR="1", TERM="xterm-256color")
        assert result.returncode == 0
        assert "\x1b" not in result.stdout + result.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_table_on_a_terminal() -> None:
    import pty

    master, slave = pty.openpty()
    with subprocess.Popen([*COMMAND, "backends"], stdout=slave, stderr=subprocess.PIPE) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            if not chunk:
                break
            text += chunk
    os.close(master)
    assert process.returncode == 0
    assert "│ numpy" in text.decode()


def test_a_reader_that_leaves_is_no_traceback() -> None:
    with subprocess.Popen(
        [*COMMAND, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert "Exception ignored" not in process.stderr.read()


def test_output_that_the_terminal_cannot_encode() -> None:
    result = _run("doctor", ALLUMETTE_NOTE="\u2713", PYTHONIOENCODING="latin-1")
    assert result.returncode == 0
    assert "ALLUMETTE_NOTE" in result.stdout
    assert "\\u2713" in result.stdout


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (BackendError("two\nlines"), 2, "error: two lines\n"),
        (FileNotFoundError(2, "No such file", "a.csv"), 2, "error: a.csv: No such file\n"),
        (click.ClickException("odd"), 2, "error: odd\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_how_an_error_ends(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    command = click.Command("backends", callback=fail)
    monkeypatch.setitem(app.app.commands, "backends", command)
    assert app.run(["backends"]) == code
    assert capsys.readouterr().err.lstrip("\n") == line


def test_a_group_without_a_command_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = click.Group("backends", commands=[click.Command("one")])
    monkeypatch.setitem(app.app.commands, "backends", group)
    assert app.run(["backends"]) == 2
    assert "Commands:\n  one" in capsys.readouterr().err


def test_what_a_command_returns_is_not_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    command = click.Command("backends", callback=lambda: 7)
    monkeypatch.setitem(app.app.commands, "backends", command)
    assert app.run(["backends"]) == 0


def test_main_exits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("allumette ")


def test_the_script_is_the_module() -> None:
    script = Path(sys.executable).with_name("allumette.exe" if os.name == "nt" else "allumette")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == _run("--version").stdout

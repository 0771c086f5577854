"""Commands that plugins add to `allumette`."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


def test_help_lists_commands_without_importing_them(run: Run) -> None:
    code = (
        "import sys; from allumette_core.cli.app import run; code = run(['--help']);"
        "print([m for m in sys.modules if m.startswith('t_')], code)"
    )
    result = run("-c", code)
    assert result.stdout.splitlines()[-1] == "[] 0"
    for line in ("hello  ", "sick  ", "backends  ", "doctor  "):
        assert f"\n  {line}" in result.stdout
    assert "from t-hello 1.2" in result.stdout


def test_a_command_of_a_plugin_runs(allumette: Run) -> None:
    result = allumette("hello")
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello from hello\n", "")
    assert "Say hello." in allumette("hello", "--help").stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sick", "error: command 'sick' (t-sick 1.2) is broken: importing t_sick raised Module"),
        ("lies", "error: command 'lies' (t-lies 1.2) is broken: t_lies adds no such command; "),
        ("echo", "error: command 'echo' (t-echo-a 1.2) is duplicate: t-echo-b 1.2 provides it"),
        ("hallo", "error: No such command 'hallo'; did you mean 'hello'? (see 'allumette --help')"),
        ("qqqqq", "error: No such command 'qqqqq' (see 'allumette --help')"),
    ],
)
def test_a_command_that_cannot_run_is_one_line(allumette: Run, name: str, message: str) -> None:
    result = allumette(name)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_a_plugin_cannot_replace_a_command_of_core(allumette: Run) -> None:
    result = allumette("doctor")
    assert "hello from doctor" not in result.stdout
    assert "python " in result.stdout
    warning = "warning: command 'doctor' (t-usurper 1.2) is duplicate: allumette-core has a command"
    assert warning in result.stderr


def test_doctor_reports_each_broken_command_on_one_line(allumette: Run) -> None:
    lines = allumette("doctor").stderr.splitlines()
    for name in ("sick", "lies", "echo"):
        assert any(line.startswith(f"warning: command '{name}' (t-") for line in lines)


def test_backends_imports_no_command(allumette: Run) -> None:
    result = allumette("backends")
    assert result.returncode == 0
    assert "command" not in result.stderr


def test_a_missing_file_in_a_command_is_one_line(allumette: Run) -> None:
    result = allumette("hello", "--fail")
    assert result.returncode == 2
    assert result.stderr == "error: data.csv: No such file or directory\n"

"""Commands that plugins add to `allumette`."""

import json
from collections.abc import Callable
from typing import Any

import pytest

CODE = """
import contextlib, io, json, sys
from allumette_core.cli import app
def end(arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = app.run(arguments)
    imported = [m for m in sys.modules if m.startswith("t_")]
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "imported": imported}
print(json.dumps([end(arguments) for arguments in json.loads(sys.argv[1])]))
"""
BROKEN = {
    "sick": "error: command 'sick' (t-sick 1.2) is broken: importing t_sick raised Module",
    "lies": "error: command 'lies' (t-lies 1.2) is broken: t_lies adds no such command; ",
    "echo": "error: command 'echo' (t-echo-a 1.2) is duplicate: t-echo-b 1.2 provides it",
    "hallo": "error: No such command 'hallo'; did you mean 'hello'? (see 'allumette --help')",
    "qqqqq": "error: No such command 'qqqqq' (see 'allumette --help')",
}


@pytest.fixture(scope="module")
def ends(run: Callable[..., Any]) -> dict[tuple[str, ...], Any]:
    """How each of these command lines ends, run one after the other in one process."""
    lines = [["--help"], ["hello"], ["hello", "--help"], ["hello", "--fail"]]
    lines += [[name] for name in BROKEN]
    result = run("-c", CODE, json.dumps(lines))
    assert result.returncode == 0, result.stderr
    return dict(zip(map(tuple, lines), json.loads(result.stdout), strict=True))


@pytest.fixture(scope="module")
def doctor(allumette: Callable[..., Any]) -> Any:
    return allumette("doctor")


def test_help_lists_commands_without_importing_them(ends: Any) -> None:
    helped = ends[("--help",)]
    assert (helped["code"], helped["err"], helped["imported"]) == (0, "", [])
    for line in ("hello  ", "sick  ", "backends  ", "doctor  "):
        assert f"\n  {line}" in helped["out"]
    assert "from t-hello 1.2" in helped["out"]


def test_a_command_of_a_plugin_runs_and_imports_no_other(ends: Any) -> None:
    ended = ends[("hello",)]
    assert (ended["code"], ended["out"], ended["err"]) == (0, "hello from hello\n", "")
    assert ended["imported"] == ["t_hello"]
    assert "Say hello." in ends["hello", "--help"]["out"]


@pytest.mark.parametrize(("name", "message"), BROKEN.items())
def test_a_command_that_cannot_run_is_one_line(ends: Any, name: str, message: str) -> None:
    ended = ends[(name,)]
    assert (ended["code"], ended["out"]) == (2, "")
    assert ended["err"].startswith(message)
    assert ended["err"].count("\n") == 1


def test_a_missing_file_in_a_command_is_one_line(ends: Any) -> None:
    ended = ends["hello", "--fail"]
    assert (ended["code"], ended["err"]) == (2, "error: data.csv: No such file or directory\n")


def test_a_plugin_cannot_replace_a_command_of_core(doctor: Any) -> None:
    assert doctor.returncode == 0
    assert "hello from doctor" not in doctor.stdout
    assert "python " in doctor.stdout
    warning = "warning: command 'doctor' (t-usurper 1.2) is duplicate: allumette-core has a command"
    assert warning in doctor.stderr


def test_doctor_reports_each_broken_command_on_one_line(doctor: Any) -> None:
    lines = doctor.stderr.splitlines()
    for name in ("sick", "lies", "echo"):
        assert any(line.startswith(f"warning: command '{name}' (t-") for line in lines)

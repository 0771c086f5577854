"""README's commands are the ones that continuous integration runs."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from allumette_core.cli.app import app


@pytest.fixture(scope="module")
def commands(root: Path) -> list[str]:
    """The lines of README's console blocks."""
    text = (root / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def script(root: Path) -> list[str]:
    lines = (root / ".ci/run").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines]


def test_readme_opens_with_what_ci_runs(commands: list[str], script: list[str]) -> None:
    assert len(commands) >= 2
    assert "allumette train" in commands[0]
    assert "hatch test" in commands[1]
    for command in commands[:2]:
        assert command in script, f".ci/run does not run README's `{command}`"


def test_every_hatch_command_of_readme_is_run_by_ci(commands: list[str], script: list[str]) -> None:
    for command in commands:
        if "hatch" in command:
            assert command in script, f".ci/run does not run README's `{command}`"


def test_ci_stops_at_the_first_failure(script: list[str]) -> None:
    assert script[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in script


def test_readme_names_commands_that_exist(commands: list[str]) -> None:
    named = {found for line in commands for found in re.findall(r"\ballumette ([\w-]+)", line)}
    known = {*app.commands} | {entry.name for entry in entry_points(group="allumette.commands.v1")}
    assert named <= known, f"README names {named - known}"


def test_readme_links_to_files_that_exist(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert targets
    for target in targets:
        assert (root / target).exists(), f"README links to {target}"

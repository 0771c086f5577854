"""What `allumette new-backend` writes is right at once, and stays so in later versions."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from allumette_core.cli.app import app
from allumette_core.conformance.scaffold import files, scaffold
from allumette_core.errors import ArgumentError
from click.testing import CliRunner
from kit import conform, site

ROOT = Path(__file__).resolve().parents[2]
FROZEN = Path(__file__).parent / "v1_0"


def test_the_example_is_what_new_backend_writes() -> None:
    project = ROOT / "examples" / "allumette-torch"
    for path, text in files("torch", "torch").items():
        assert (project / path).read_text(encoding="utf-8") == text, path
    lines = sum(len(p.read_text().splitlines()) for p in project.glob("src/*/*.py"))
    assert lines <= 200


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A new project, as if it were installed."""
    project = scaffold("fresh", "numpy", tmp_path)
    site(project)
    return project


def run(project: Path, *arguments: str) -> None:
    """`python -m ...` in the project; fails with what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_backend_conforms(fresh: Path) -> None:
    done = conform("fresh", "--level", "L0-L1", "-k", "L0 or tanh or sum-float", path=fresh / "src")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unexplained 0" in done.stdout


@pytest.mark.slow
def test_its_own_tests_pass(fresh: Path) -> None:
    """They run the whole kit, quickly."""
    run(fresh, "pytest", "-q", "tests")


@pytest.mark.parametrize(("code", "told"), [(0, "allumette conform mine"), (1, "uv pip install")])
def test_it_is_installed_by_pip(
    code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def pip(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr("allumette_core.conformance.command.subprocess.run", pip)
    done = CliRunner().invoke(app, ["new-backend", "mine", "--into", str(tmp_path), "--install"])
    assert (done.exit_code == 0) is (code == 0)
    assert told in (done.output if code == 0 else str(done.exception))
    project = tmp_path / "allumette-mine"
    assert ran == [[sys.executable, "-m", "pip", "install", "--quiet", "-e", f"{project}[test]"]]
    assert (project / "pyproject.toml").exists()


@pytest.mark.parametrize("wraps", ["numpy", "torch"])
def test_its_tests_and_its_ci_name_the_backend_itself(wraps: str) -> None:
    made = files("fresh", wraps)
    assert '"fresh"' in made["tests/test_conformance.py"]
    assert "allumette conform fresh" in made[".github/workflows/ci.yml"]
    assert not [path for path, text in made.items() if re.search("@[A-Z]+@", text)]


@pytest.mark.parametrize("wraps", ["numpy", "torch"])
@pytest.mark.parametrize("name", ["x", "fresh", "a_rather_long_name_for_a_backend"])
def test_it_is_clean(name: str, wraps: str, tmp_path: Path) -> None:
    """By the linter, where it is installed: CI installs it."""
    pytest.importorskip("ruff", reason="needs ruff")
    project = scaffold(name, wraps, tmp_path)
    run(project, "ruff", "check", ".")
    run(project, "ruff", "format", "--check", ".")


def test_it_is_typed(fresh: Path) -> None:
    pytest.importorskip("mypy", reason="needs mypy")
    run(fresh, "mypy", "--strict", "src/allumette_fresh")


@pytest.mark.parametrize("name", ["Fast", "1st", "numpy", "a-b", "all"])
def test_a_new_backend_needs_a_proper_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=name):
        scaffold(name, "numpy", tmp_path)


def test_a_project_is_not_overwritten(tmp_path: Path) -> None:
    scaffold("mine", "numpy", tmp_path)
    with pytest.raises(ArgumentError, match="exists"):
        scaffold("mine", "numpy", tmp_path)


FROZEN_DIGEST = "f337d4e41799298fe1ebd07e2f7a86aa323e964705c3bcd3cdfd970a2606b9c8"


def test_the_frozen_plugin_has_not_changed() -> None:
    """v1_0 is what new-backend wrote for version 1.0 of the contract: it is never changed."""
    digest = hashlib.sha256()
    for path in sorted(p for p in FROZEN.rglob("*") if p.is_file() and p.suffix != ".pyc"):
        digest.update(path.relative_to(FROZEN).as_posix().encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    assert digest.hexdigest() == FROZEN_DIGEST


def test_a_plugin_of_version_1_0_still_conforms() -> None:
    done = conform("first", "--level", "L0-L1", "-k", "L0 or exp or sum or sort", path=FROZEN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unexplained 0" in done.stdout


@pytest.mark.slow
def test_a_plugin_of_version_1_0_still_conforms_on_every_level() -> None:
    done = conform("first", path=FROZEN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped 0 by 0 declared gaps, unexplained 0" in done.stdout

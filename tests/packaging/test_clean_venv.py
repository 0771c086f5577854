"""The wheels in a virtual environment without anything else: what a user gets."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

BIN = "Scripts" if os.name == "nt" else "bin"
GRADIENT = """
import allumette_core as al
x = al.tensor([1.0, 2.0, 3.0])
print(al.grad(lambda x: (x * x).sum())(x).tolist())
"""


class Venv:
    """A virtual environment, and commands run in it, away from the source tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)

    def pip(self, *args: str) -> None:
        python = str(self.folder / BIN / "python")
        command = [sys.executable, "-m", "pip", "--python", python, *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"pip {args}\n{done.stdout}\n{done.stderr}"

    def run(self, command: str, *args: str, status: int = 0) -> str:
        hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "ALLUMETTE_BACKEND"}
        done = subprocess.run(
            [str(self.folder / BIN / command), *args],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name not in hidden},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{command} {args}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def python(self, code: str) -> str:
        return self.run("python", "-c", code)


def _install(venv: Venv, dist: Path, *names: str, options: Iterable[str] = ()) -> None:
    found = (wheel for name in names for wheel in dist.glob(f"{name.replace('-', '_')}-*.whl"))
    wheels = [str(wheel) for wheel in found]
    assert len(wheels) == len(names)
    venv.pip("install", "--quiet", *wheels, *options)


@pytest.fixture(scope="module")
def core_alone(tmp_path_factory: pytest.TempPathFactory, dist: Path) -> Venv:
    venv = Venv(tmp_path_factory.mktemp("core"))
    _install(venv, dist, "allumette-core")
    return venv


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, dist: Path, packages: list[Any]) -> Venv:
    venv = Venv(tmp_path_factory.mktemp("everything"))
    _install(venv, dist, *(package.name for package in packages))
    return venv


def test_core_alone_computes_a_gradient(core_alone: Venv) -> None:
    core_alone.pip("check")
    assert core_alone.python(GRADIENT).strip() == "[2.0, 4.0, 6.0]"


def test_core_alone_has_the_command_and_its_own_backend(core_alone: Venv) -> None:
    assert "backends" in core_alone.run("allumette", "--help")
    assert '"numpy"' in core_alone.run("allumette", "backends", "--json")
    assert "Python" in core_alone.run("allumette", "doctor")


def test_a_command_that_is_not_installed_is_refused(core_alone: Venv) -> None:
    core_alone.run("allumette", "train", status=2)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the lowest NumPy has no wheel for it")
def test_the_lowest_versions_that_are_declared_work(
    tmp_path: Path, dist: Path, packages: list[Any]
) -> None:
    ours = [
        package for package in packages if package.name in {"allumette-core", "allumette-train"}
    ]
    declared = {required for package in ours for required in package.project["dependencies"]}
    lowest = [required.partition(",")[0].replace(">=", "==") + ".*" for required in declared]
    outside = [constraint for constraint in lowest if not constraint.startswith("allumette")]
    (tmp_path / "lowest.txt").write_text("\n".join(outside), encoding="utf-8")
    venv = Venv(tmp_path / "venv")
    options = ["--only-binary", ":all:", "--constraint", str(tmp_path / "lowest.txt")]
    _install(venv, dist, *(package.name for package in ours), options=options)
    assert venv.python(GRADIENT).strip() == "[2.0, 4.0, 6.0]"
    assert '"numpy"' in venv.run("allumette", "backends", "--json")
    venv.run("allumette", "train", "--dataset", "xor", "--iterations", "3")


def test_every_module_imports_with_what_its_package_declares(
    everything: Venv, packages: list[Any]
) -> None:
    everything.pip("check")
    modules: list[str] = []
    for package in packages:
        extras = package.project.get("optional-dependencies", {})
        for path in sorted(package.source.rglob("*.py")):
            parts = path.relative_to(package.source.parent).with_suffix("").parts
            if not set(parts) & {*extras, "__main__"}:
                modules.append(".".join(parts).removesuffix(".__init__"))
    everything.python(f"import {', '.join(modules)}")


def test_training_reaches_its_accuracy_and_saves_a_model(everything: Venv) -> None:
    before = set(everything.folder.iterdir())
    lines = everything.run("allumette", "train", "--dataset", "star", "--json").splitlines()
    last = json.loads(lines[-1])
    assert last["accuracy"] > 0.95
    assert set(everything.folder.iterdir()) > before

"""What is in the wheels and sdists."""

import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest


def _sources(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def _one(dist: Path, package: Any, suffix: str) -> Path:
    (found,) = dist.glob(f"{package.module}-{package.project['version']}*{suffix}")
    return found


@pytest.fixture
def wheel(dist: Path, package: Any) -> zipfile.ZipFile:
    return zipfile.ZipFile(_one(dist, package, ".whl"))


def test_a_wheel_holds_the_source_and_nothing_else(wheel: zipfile.ZipFile, package: Any) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == _sources(package.source.parent)
    assert f"{package.module}/py.typed" in names


def test_a_wheel_is_for_every_platform(wheel: zipfile.ZipFile) -> None:
    assert str(wheel.filename).endswith("-py3-none-any.whl")


def test_a_wheel_says_what_the_package_says(wheel: zipfile.ZipFile, package: Any) -> None:
    info = f"{package.module}-{package.project['version']}.dist-info"
    said = message_from_string(wheel.read(f"{info}/METADATA").decode())
    assert said["Name"] == package.name
    assert said["License-Expression"] == "MIT"
    assert said["Requires-Python"] == ">=3.11"
    assert "MIT License" in wheel.read(f"{info}/licenses/LICENSE").decode()
    required = [line for line in said.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(required) == len(package.project["dependencies"])


def test_a_wheel_keeps_its_entry_points(wheel: zipfile.ZipFile, package: Any) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    entries = wheel.read(name).decode()
    groups = package.project.get("entry-points", {}) | {
        "console_scripts": package.project.get("scripts", {})
    }
    for group, declared in groups.items():
        for entry, target in declared.items():
            assert f"[{group}]" in entries
            assert f"{entry} = {target}" in entries


def test_a_wheel_can_be_built_from_the_sdist(dist: Path, package: Any) -> None:
    with tarfile.open(_one(dist, package, ".tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {f"src/{name}" for name in _sources(package.source.parent)}
    assert wanted | {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert not {name for name in names if name.startswith("tests/")}

"""The workspace's packages as fixtures: what their files say, and what is built from them."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Package:
    """One folder of packages/."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        return self.folder / "src" / self.module

    @property
    def text(self) -> str:
        return (self.folder / "pyproject.toml").read_text(encoding="utf-8")

    @property
    def project(self) -> dict[str, Any]:
        project: dict[str, Any] = tomllib.loads(self.text)["project"]
        return project

    def imports(self) -> Iterator[tuple[Path, str]]:
        """Every absolute import in the source, as the file and the dotted module."""
        for path in sorted(self.source.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from ((path, alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield path, node.module


PACKAGES = [Package(found.parent) for found in sorted(ROOT.glob("packages/*/pyproject.toml"))]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def packages() -> list[Package]:
    return PACKAGES


@pytest.fixture(scope="session", params=PACKAGES, ids=lambda package: package.name)
def package(request: pytest.FixtureRequest) -> Package:
    found: Package = request.param
    return found


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every package's wheel and sdist: newly built, or ALLUMETTE_DIST's copies."""
    folder = tmp_path_factory.mktemp("dist")
    built = os.environ.get("ALLUMETTE_DIST")
    for package in PACKAGES:
        if built:
            stem = f"{package.module}-{package.project['version']}"
            for found in Path(built).glob(f"{stem}[-.]*"):
                shutil.copy(found, folder)
        else:
            command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
            subprocess.run(command, cwd=package.folder, check=True, capture_output=True)
    return folder

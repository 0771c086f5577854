"""What every package says of itself, and whether its source agrees."""

import re
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

# Only where another name is imported than the one that is installed.
IMPORTED_AS: dict[str, str] = {}
LICENCE = "LICENSE"


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def _required(project: dict[str, Any]) -> list[str]:
    extras = project.get("optional-dependencies", {}).values()
    return [*project["dependencies"], *chain.from_iterable(extras)]


def test_core_and_train_are_in_the_workspace(packages: list[Any]) -> None:
    assert {"allumette-core", "allumette-train"} <= {package.name for package in packages}


def test_the_root_is_never_published(root: Path) -> None:
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert "[project]" not in text
    assert 'workspace.members = ["packages/*"]' in text


def test_a_package_is_complete(package: Any, root: Path) -> None:
    project = package.project
    assert project["name"] == package.name
    assert project["requires-python"] == ">=3.11"
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert (package.folder / LICENCE).read_bytes() == (root / LICENCE).read_bytes()
    assert len((package.folder / "README.md").read_text(encoding="utf-8").splitlines()) > 5
    assert (package.source / "py.typed").is_file()
    assert "Typing :: Typed" in project["classifiers"]


def test_a_dependency_is_bounded_and_says_why(package: Any) -> None:
    lines = [line.strip() for line in package.text.splitlines()]
    for requirement in package.project["dependencies"]:
        assert re.search(r">=[\d.]+,<[\d.]+$", requirement), requirement
        reason = lines[lines.index(f'"{requirement}",') - 1]
        assert reason.startswith("# "), f"{requirement} needs a comment above it that says why"


def test_what_is_imported_is_declared(package: Any) -> None:
    declared = {_name(requirement) for requirement in _required(package.project)}
    known = sys.stdlib_module_names | {package.module}
    for path, module in package.imports():
        top = module.partition(".")[0]
        name = IMPORTED_AS.get(top, top.replace("_", "-"))
        assert top in known or name in declared, f"{path} imports {module}, which is not declared"


def test_what_is_declared_is_imported(package: Any) -> None:
    imported = {module.partition(".")[0] for _, module in package.imports()}
    for requirement in package.project["dependencies"]:
        name = _name(requirement).replace("-", "_")
        assert name in {IMPORTED_AS.get(top, top) for top in imported}, f"{requirement} is unused"


@pytest.mark.parametrize(("name", "allowed"), [("core", set()), ("train", {"allumette-core"})])
def test_no_backend_package_is_needed(packages: list[Any], name: str, allowed: set[str]) -> None:
    (package,) = (package for package in packages if package.name == f"allumette-{name}")
    ours = {_name(required) for required in _required(package.project)}
    assert {found for found in ours if found.startswith("allumette")} == allowed
    imported = {module.partition(".")[0].replace("_", "-") for _, module in package.imports()}
    assert {found for found in imported if found.startswith("allumette")} <= allowed | {
        package.name
    }


def test_a_sibling_is_required_in_the_version_that_is_here(packages: list[Any]) -> None:
    versions = {package.name: package.project["version"] for package in packages}
    for package in packages:
        for requirement in _required(package.project):
            if _name(requirement) in versions:
                low, high = re.findall(r"[\d.]+", requirement.removeprefix(_name(requirement)))
                version = [int(part) for part in versions[_name(requirement)].split(".")]
                assert [int(part) for part in low.split(".")] <= version, requirement
                assert version < [int(part) for part in high.split(".")], requirement

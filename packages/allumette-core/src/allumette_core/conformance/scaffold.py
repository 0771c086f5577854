"""`allumette new-backend`: the project of a backend, from the templates beside this module."""

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import ArgumentError

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({"numpy", "all", "core", "train"})

LIBRARIES: Mapping[str, tuple[str, str]] = {
    "numpy": ("NumPy", ""),
    "torch": ("PyTorch", ', "torch>=2.5,<3"'),
}
"""What it can be made of: how the library is called, and how it is required."""


def scaffold(name: str, wraps: str, into: Path) -> Path:
    """Write the project `allumette-<name>` in the folder `into`, and return its folder.

    Raises:
        ArgumentError: the name is malformed or taken, or the folder exists.
    """
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise ArgumentError(
            f"{name!r} cannot name a backend: take small letters, digits and underscores, a letter "
            f"first, and none of {', '.join(sorted(_TAKEN))}"
        )
    project = into / f"allumette-{name}"
    if project.exists():
        raise ArgumentError(f"{project} exists already; move it away, or choose another name")
    for path, text in files(name, wraps).items():
        target = project / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return project


def files(name: str, wraps: str) -> dict[str, str]:
    """The text of every file of the project, by its path.

    >>> sorted(files("mine", "numpy"))[-2:]
    ['src/allumette_mine/py.typed', 'tests/test_conformance.py']
    """
    package = f"src/allumette_{name}"
    library, requirement = LIBRARIES[wraps]
    fields = {
        "@NAME@": name,
        "@CLASS@": f"{name.title().replace('_', '')}Backend",
        "@LIBRARY@": library,
        "@REQUIRES@": requirement,
    }
    made = {
        "pyproject.toml": "common/pyproject.toml",
        "README.md": "common/README.md",
        "LICENSE": "common/LICENSE",
        ".github/workflows/ci.yml": "common/ci.yml",
        f"{package}/__init__.py": "common/init.py",
        f"{package}/backend.py": f"{wraps}/backend.py",
        f"{package}/plugin.py": f"{wraps}/plugin.py",
        "tests/test_conformance.py": "common/test_conformance.py",
    }
    found = {path: _filled(template, fields) for path, template in made.items()}
    return {**found, f"{package}/py.typed": ""}


def _filled(template: str, fields: Mapping[str, str]) -> str:
    text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    for field, value in fields.items():
        text = text.replace(field, value)
    return text

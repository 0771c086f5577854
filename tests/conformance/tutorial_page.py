"""Keeps docs/write-a-backend.md true: what its steps print is what the kit prints for them.

Blocks of python with a line that begins with KERNELS are the reader's backend.py, one after the
other; a block that begins with `$ allumette conform mine` is a command and its output.

python tests/conformance/tutorial_page.py writes every output anew.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from allumette_core.conformance.scaffold import scaffold
from kit import conform, site

PAGE = Path(__file__).resolve().parents[2] / "docs" / "write-a-backend.md"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"\$ allumette (conform mine[^\n]*)\n")
_KERNELS = re.compile(r"^KERNELS: Mapping.*?^}\n", re.DOTALL | re.MULTILINE)
_FAULT = re.compile(r"^_+ test_conformance.*?_+\n(.*?)^===", re.DOTALL | re.MULTILINE)
_REPORT = re.compile(
    r"^=+ conformance of mine =+\n((?:(?!=|\d+ (?:passed|failed)).*\n)+)", re.MULTILINE
)
_NATIVE = re.compile(r"NATIVE = \(.*?\)\n", re.DOTALL)


def steps(text: str) -> Iterator[tuple[str, str, re.Match[str]]]:
    """The kernels so far, the command, and its block: of each command of the page `text`."""
    kernels = ""
    for block in _BLOCK.finditer(text):
        if block[1] == "python" and re.search("^KERNELS", block[2], re.MULTILINE):
            kernels += block[2] + "\n"
        elif command := _COMMAND.match(block[2]):
            yield kernels, command[1], block


def output(kernels: str, command: str, folder: Path) -> str:
    """What `allumette <command>` prints, in short, for the new backend `mine` with `kernels`."""
    project = scaffold("mine", "numpy", folder)
    package = project / "src" / "allumette_mine"
    _edit(package / "backend.py", _KERNELS, kernels)
    _edit(package / "plugin.py", _NATIVE, f'NATIVE = "{_names(package)}"\n')
    printed = conform(*shlex.split(command)[1:], path=site(project)).stdout
    fault, report = _FAULT.search(printed), _REPORT.search(printed)
    assert report is not None, printed
    return (fault[1].rstrip() + "\n\n" if fault else "") + report[1]


def _edit(path: Path, what: re.Pattern[str], new: str) -> None:
    text, count = what.subn(lambda _: new, path.read_text(encoding="utf-8"))
    assert count == 1, path
    path.write_text(text, encoding="utf-8")


def _names(package: Path) -> str:
    """The names of the kernels in backend.py."""
    code = f"import {package.name}.backend as b; print(*sorted(p.name for p in b.KERNELS))"
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, cwd=package.parent, text=True).strip()


def page() -> str:
    """The page with every output as it is now."""
    text = PAGE.read_text(encoding="utf-8")
    made, end = "", 0
    for kernels, command, block in steps(text):
        with tempfile.TemporaryDirectory() as folder:
            shown = output(kernels, command, Path(folder))
        made += text[end : block.start(2)] + f"$ allumette {command}\n{shown}"
        end = block.end(2)
    return made + text[end:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

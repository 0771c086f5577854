"""The Python in README and the other pages runs, and shows what it prints."""

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import allumette_core as al
import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FILE = re.compile(r"`((?:\w+/)*\w+(?:\.py|\.ll|/))`")
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _pages() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield from sorted(ROOT.glob("packages/*/README.md"))
    yield from sorted(ROOT.glob("docs/**/*.md"))


PAGES = {str(path.relative_to(ROOT)): path for path in _pages()}


def _run(code: str, name: str, line: int, globs: dict[str, object]) -> str:
    """Run one block, a session or plain code; what went wrong, or nothing."""
    if ">>> " not in code:
        exec(compile("\n" * line + code, name, "exec"), globs)
        return ""
    report: list[str] = []
    test = doctest.DocTestParser().get_doctest(code, globs, name, name, line)
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
    globs.update(test.globs)
    return "".join(report)


@pytest.fixture(autouse=True)
def own_default_device() -> Iterator[None]:
    yield
    al.set_default_device(None)  # a page may have set it


@pytest.mark.parametrize("name", PAGES)
def test_the_python_of_a_page_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGES[name].read_text(encoding="utf-8")
    globs: dict[str, object] = {"__name__": "__main__"}
    for block in FENCE.finditer(text):
        line = text.count("\n", 0, block.start(1))
        assert not (report := _run(block[1], name, line, globs)), report


def test_readme_shows_python() -> None:
    assert FENCE.search(PAGES["README.md"].read_text(encoding="utf-8"))


def test_the_files_that_the_architecture_names_are_there() -> None:
    sources = [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("packages/*/src/**/*")]
    text = PAGES["docs/architecture.md"].read_text(encoding="utf-8")
    named = sorted(set(FILE.findall(text)))
    missing = [x for x in named if not any(s.endswith(f"/{x.rstrip('/')}") for s in sources)]
    assert len(named) > 20
    assert not missing

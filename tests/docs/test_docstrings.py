"""Every public name is documented with an example, and every example runs."""

import doctest
import importlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import allumette_core
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _modules() -> Iterator[str]:
    """Every module of the packages that are installed, without importing them."""
    for source in sorted(ROOT.glob("packages/*/src/*")):
        if source.is_dir() and find_spec(source.name) is not None:
            yield source.name
            for path in sorted(source.rglob("*.py")):
                parts = path.relative_to(source.parent).with_suffix("").parts
                if parts[-1] not in {"__init__", "__main__"}:
                    yield ".".join(parts)


def _public(module: ModuleType, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The names of __all__ and, behind a name that is a module with an __all__, its names."""
    for name in module.__all__:
        found = getattr(module, name)
        yield f"{prefix}{name}", found
        if isinstance(found, ModuleType) and hasattr(found, "__all__"):
            yield from _public(found, f"{prefix}{name}.")


PUBLIC = dict(_public(allumette_core))
"""What a user of core calls, by the dotted name it is called by."""
EXAMPLED = {
    name: found
    for name, found in PUBLIC.items()
    if callable(found) and not isinstance(found, np.dtype)
}


def _run(test: doctest.DocTest) -> str:
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    return "".join(report)


def test_there_is_a_public_api() -> None:
    assert len(EXAMPLED) > 20


def test_all_is_sorted_and_has_no_repeats() -> None:
    names = allumette_core.__all__
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", EXAMPLED)
def test_a_public_name_has_a_docstring_with_an_example(name: str) -> None:
    found = EXAMPLED[name]
    text = found.__doc__ or ""
    assert text.strip(), f"{name} has no docstring"
    if isinstance(found, type) and issubclass(found, BaseException):
        return
    tests = doctest.DocTestFinder(exclude_empty=True).find(found, name, globs={})
    examples = [example for test in tests for example in test.examples]
    assert examples, f"{name} has no example"
    assert any(example.want or example.exc_msg for example in examples), f"{name} shows no result"


@pytest.mark.parametrize("name", EXAMPLED)
def test_the_example_of_a_public_name_runs(name: str) -> None:
    found = EXAMPLED[name]
    home = sys.modules.get(getattr(found, "__module__", "") or "")
    globs = vars(home).copy() if home else {}
    for test in doctest.DocTestFinder(exclude_empty=True).find(found, name, globs=globs):
        assert not (report := _run(test)), report


@pytest.mark.parametrize("name", sorted(set(_modules())))
def test_the_examples_of_a_module_run(name: str) -> None:
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        assert not (report := _run(test)), report


def test_every_public_function_is_a_public_name_of_the_package() -> None:
    import allumette_core as al
    from allumette_core import functions

    assert set(functions.__all__) <= set(al.__all__)
    assert len(al.__all__) == len(set(al.__all__))
    assert all(hasattr(al, name) for name in al.__all__)

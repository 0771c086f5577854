"""Pieces of WGSL that kernels include by name, each with what it needs."""

import re
from collections.abc import Iterable
from functools import cache

from . import exponential, integers, numbers, powers, trigonometric

_HEAD = re.compile(r"^(?:fn|struct|var<private>|const) (\w+)", re.MULTILINE)
_WORD = re.compile(r"\b[A-Za-z_]\w*\b")


@cache
def _pieces() -> dict[str, str]:
    """Every definition by its name. Definitions are separated by blank lines."""
    sources = (numbers, exponential, powers, trigonometric, integers)
    found = {}
    for source in sources:
        for text in re.split(r"\n\s*\n", source.SOURCE.strip()):
            match = _HEAD.search(text)
            assert match is not None, text
            found[match[1]] = text
    return found


@cache
def _needs(name: str) -> frozenset[str]:
    words = set(_WORD.findall(_pieces()[name])) & _pieces().keys()
    return frozenset(words - {name})


def included(code: str) -> str:
    """The definitions that `code` uses, directly or not, in the order of the modules."""
    wanted: set[str] = set()
    stack: list[str] = [*(set(_WORD.findall(code)) & _pieces().keys())]
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack += _needs(name)
    return "\n".join(_ordered(wanted))


def _ordered(names: Iterable[str]) -> list[str]:
    wanted = set(names)
    return [text for name, text in _pieces().items() if name in wanted]

"""All checks, by level."""

import re
from importlib import import_module

from ..errors import ArgumentError
from .check import Check

LEVELS = range(6)


def parse(text: str) -> tuple[int, ...]:
    """The levels that `text` names: L1, or L0-L2, or several of these with commas.

    >>> parse("L0-L2,L5")
    (0, 1, 2, 5)
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"L?([0-5])(?:(?:-|\.\.)L?([0-5]))?", part.strip(), re.IGNORECASE)
        if match is None:
            raise ArgumentError(f"level {part!r}: write L0 to L5, L0-L2, or several with commas")
        first = int(match[1])
        found.update(range(first, int(match[2] or first) + 1))
    return tuple(sorted(found))


def checks(levels: tuple[int, ...] = tuple(LEVELS), full: bool = True) -> list[Check]:
    """The checks of `levels`; those that take long only if `full`."""
    made: list[Check] = []
    for level in levels:
        made += import_module(f"{__package__}.level{level}").checks()
    return [check for check in made if full or not check.full_only]

"""Runs the kit on mutants: which check, if any, kills each."""

import itertools
import random
from collections.abc import Iterator

from allumette_core.backend.registry import REGISTRY
from allumette_core.conformance.check import Check, Outcome, perform
from allumette_core.conformance.levels import checks
from allumette_core.conformance.subject import Subject
from faulty import Faulty
from mutants import MUTANTS

_numbers = itertools.count()


def opened(make: type[Faulty] | None, name: str | None = None) -> Faulty:
    """A backend under a name of its own, which the registry knows as if it were installed."""
    name = name or f"mutant{next(_numbers)}"
    backend = (make or Faulty)(name)
    REGISTRY._devices[name] = (name, backend)
    return backend


def in_order(primitive: str, full: bool) -> list[Check]:
    """The checks, those first that are likely to kill: the order changes only how long it takes."""
    own = {1: 0, 2: 1, 3: 2, 5: 3, 4: 4}
    others = {0: 5, 5: 6, 4: 7, 1: 8, 2: 9, 3: 10}
    return sorted(
        checks(full=full),
        key=lambda c: (own if c.primitive and c.primitive == primitive else others)[c.level],
    )


def failures(primitive: str, backend: Faulty, full: bool, seed: int = 0) -> Iterator[Outcome]:
    """The checks that fail, as they do."""
    subject = Subject(backend, full, seed)
    for check in in_order(primitive, full):
        outcome = perform(check, subject)
        if outcome.failed:
            yield outcome


def killer(name: str, full: bool = False, seed: int = 0) -> Outcome | None:
    """The first check that fails on the mutant, or None if it survives."""
    primitive, make = MUTANTS[name]
    return next(failures(primitive, opened(make), full, seed), None)  # type: ignore[arg-type]


def sample(count: int, seed: int = 0) -> list[str]:
    """Some of the mutants."""
    return random.Random(seed).sample(sorted(MUTANTS), count)

"""Level 1: every primitive in every dtype, on hot spots, in every shape of the tables."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..dtypes import ALL, FLOATS, DType
from ..primitives import Kind, Primitive
from . import scripts
from .case import Case
from .cases import TRIED, cases, takes
from .check import Check, Measure
from .running import run_cases
from .source import Source
from .subject import Subject


@lru_cache(1)
def rows() -> tuple[tuple[Primitive, DType], ...]:
    """Every primitive with every dtype it takes."""
    return tuple((p, d) for p in TRIED for d in ALL if takes(p, d))


def source(subject: Subject, primitive: Primitive, dtype: DType, **allow: Any) -> Source:
    """What to draw from for one check; `dtype` and what `allow` says is taken as declared."""
    declared = subject.capabilities
    granted = replace(declared, dtypes=declared.dtypes | {dtype.name}, **allow)
    rng = subject.rng(primitive.name, dtype.name)
    return Source(rng, granted, subject.full)


def checks() -> list[Check]:
    """One a primitive and dtype, and one a float primitive for what has to be declared."""
    made = [_check(p, d) for p, d in rows()]
    special = [(p, d) for p, d in rows() if d in FLOATS[1:2] and p.kind is Kind.ELEMENTWISE]
    return made + [_special(p, d, need) for p, d in special for need in ("nan_inf", "subnormals")]


def most_axes(made: Sequence[Case]) -> list[Case]:
    """The first of `made` that has as many axes as any."""
    return sorted(made, key=lambda case: -case.rank)[:1]


def _check(primitive: Primitive, dtype: DType) -> Check:
    def body(subject: Subject) -> Measure:
        made = cases(primitive, dtype, source(subject, primitive, dtype))
        if subject.full:
            made += [replace(case, repeats=True) for case in (*made[:1], *most_axes(made))]
        return run_cases(subject, made)

    def script(subject: Subject) -> str:
        """Of a backend that declares what runs on the host."""
        made = cases(primitive, dtype, source(subject, primitive, dtype))
        return scripts.traced(subject.name, made[0])

    name, needs = f"{primitive.name}-{dtype.name}", (dtype.name, *_result(primitive))
    return Check(1, name, body, primitive.name, dtype.name, needs, script=script)


def _result(primitive: Primitive) -> tuple[str, ...]:
    """What a primitive gives whatever it takes."""
    if primitive.name in {"eq", "ne", "lt", "le", "where"}:
        return ("bool",)
    return ("int32",) if primitive.name in {"argmax", "argmin", "argsort", "gather"} else ()


def _special(primitive: Primitive, dtype: DType, need: str) -> Check:
    """The hot spots alone, whether declared or not: tells what works without being declared."""

    def body(subject: Subject) -> Measure:
        drawn = replace(source(subject, primitive, dtype, **{need: True}), full=False)
        return run_cases(subject, cases(primitive, dtype, drawn)[:1])

    name = f"{primitive.name}-{dtype.name}-{need}"
    return Check(1, name, body, primitive.name, dtype.name, (dtype.name, need))

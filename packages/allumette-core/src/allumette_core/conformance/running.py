"""Running cases against the oracle: what levels 1 and 2 share."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..primitives import Kind
from . import repro
from .case import Case
from .check import Fault, Measure
from .judge import Expected, Verdict, judge
from .oracle import expected
from .subject import Subject


def run_cases(subject: Subject, cases: Iterable[Case]) -> Measure:
    """Run every case; the worst error, or a Fault that shows the smallest failing case."""
    measure = Measure()
    failing: list[tuple[int, Case, str]] = []
    for case in cases:
        try:
            _, verdict = attempt(subject, case)
        except Exception as error:
            if failing:
                continue
            problem = f"{case}: {type(error).__name__}: {error}"
            raise Fault(problem, _repro(subject, case)) from error
        if verdict.problem:
            failing.append((sum(x.size for x in case.arrays), case, verdict.problem))
            if len(failing) > 4 or verdict.worst is None:
                break
        elif verdict.ulp > measure.ulp:
            measure = Measure(verdict.ulp, worst_input(case, verdict))
    if failing:
        _, case, problem = min(failing, key=lambda f: f[0])
        raise Fault(f"{case}: {problem}", _repro(subject, smaller(subject, case)))
    return measure


def attempt(subject: Subject, case: Case) -> tuple[Expected, Verdict]:
    """What `case` should give, and the verdict on two calls."""
    wanted = expected(case, subject.capabilities)
    first, second = subject.run(case.program(), case.arrays)
    verdict = judge(first[0], wanted)
    if verdict.problem:
        return wanted, verdict
    again = judge(second[0], wanted)
    if again.problem:
        return wanted, Verdict(again.ulp, f"on the second call {again.problem}", again.worst)
    if subject.capabilities.deterministic and first[0].tobytes() != second[0].tobytes():
        return wanted, Verdict(np.inf, "two calls give different bits; it declares deterministic")
    return wanted, verdict


def smaller(subject: Subject, case: Case) -> Case:
    """`case` cut down to one element, if it still fails then."""
    _, verdict = attempt(subject, case)
    if case.primitive.kind is not Kind.ELEMENTWISE or case.views or verdict.worst is None:
        return case
    shape, _ = case.primitive.infer(case.arrays, case.params)
    one = tuple(np.array([np.broadcast_to(x, shape)[verdict.worst]]) for x in case.arrays)
    cut = replace(case, arrays=one)
    return cut if attempt(subject, cut)[1].problem else case


def worst_input(case: Case, verdict: Verdict) -> str:
    """The operands of the worst element, where one can tell."""
    if case.primitive.kind is not Kind.ELEMENTWISE or case.views or verdict.worst is None:
        return ""
    shape, _ = case.primitive.infer(case.arrays, case.params)
    return ", ".join(str(np.broadcast_to(x, shape)[verdict.worst]) for x in case.arrays)


def _repro(subject: Subject, case: Case) -> str:
    steps, wanted = case.instructions(), expected(case, subject.capabilities)
    return repro.script(subject.name, case.arrays, steps, wanted, repeats=case.repeats)

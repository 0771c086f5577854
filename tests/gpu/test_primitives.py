"""Every primitive in every declared dtype, with the cases and tolerances of the conformance kit."""

from itertools import islice
from typing import Any

import pytest
from allumette_core.conformance.cases import cases
from allumette_core.conformance.level1 import rows, source
from allumette_core.conformance.running import run_cases
from allumette_core.conformance.subject import Subject
from allumette_core.primitives import Kind

FAST = frozenset(("float32", "int32", "bool"))
ROWS = [(p, d) for p, d in rows() if d.name != "float64"]


def check(backend: Any, row: tuple[Any, Any], most: int) -> None:
    primitive, dtype = row
    if not backend.info.capabilities.supports(dtype):
        pytest.skip(f"the adapter has no {dtype}")
    subject = Subject(backend)
    drawn = cases(primitive, dtype, source(subject, primitive, dtype))
    measure = run_cases(subject, islice(drawn, most))
    assert measure.ulp <= 16


@pytest.mark.parametrize("row", [r for r in ROWS if r[1].name in FAST], ids=str)
def test_common_dtypes(backend: Any, row: tuple[Any, Any]) -> None:
    check(backend, row, 3 if row[0].kind is Kind.ELEMENTWISE else 2)


@pytest.mark.parametrize("row", [r for r in ROWS if r[1].name not in FAST], ids=str)
@pytest.mark.slow
def test_other_dtypes(backend: Any, row: tuple[Any, Any]) -> None:
    check(backend, row, 1000)

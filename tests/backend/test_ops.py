"""`OpBackend`: what its kernels raise is a typed error, and leaves the backend as it was."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.backend.reference import KERNELS, NumpyBackend
from allumette_core.compiler.program import Aval, Instruction, Program
from allumette_core.errors import BackendError, DTypeError
from allumette_core.primitives import Primitive


def _raise(error: Exception) -> Any:
    raise error


ERRORS: dict[Primitive, Exception] = {
    P.exp: ZeroDivisionError("no"), P.log: MemoryError("full"), P.sin: DTypeError("not here"),
}  # fmt: skip


class Failing(NumpyBackend):
    @property
    def kernels(self) -> Mapping[Primitive, Any]:
        return {**KERNELS, **{p: lambda x, e=e: _raise(e) for p, e in ERRORS.items()}}


def run(primitive: Primitive) -> Any:
    aval = Aval((2,), np.dtype("float32"))
    steps = (Instruction(P.neg, (0,), ()), Instruction(primitive, (1,), ()))
    program = Program((aval,) * 3, 1, steps, (2,))
    return Failing().compile(program, "numpy")([np.ones(2, "float32")])[0]


@pytest.mark.parametrize(
    ("primitive", "error", "told"),
    [
        (P.exp, BackendError, "exp failed: ZeroDivisionError: no"), (P.log, MemoryError, "full"),
        (P.sin, DTypeError, "not here"),
    ],
)  # fmt: skip
def test_what_a_kernel_raises_is_typed(
    primitive: Primitive, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        run(primitive)
    assert run(P.abs_).tolist() == [1, 1]


def test_booleans_are_not_added_up() -> None:
    x = np.ones((2, 2), bool)
    with pytest.raises(DTypeError, match="fold: takes numbers, got bool"):
        P.fold.infer([x], ((0,), (2,), (1,), (1,), (3,)))
    with pytest.raises(DTypeError, match="scatter: mode 'add': takes numbers, got bool"):
        P.scatter.infer([x, np.zeros(1, int), x[:1]], (0, "add"))

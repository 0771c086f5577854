"""The derivative of relu asks the result, not the argument, which need not be kept then."""

import allumette_core as al
import numpy as np
from allumette_core import primitives as P
from allumette_core.backend.reference import NumpyBackend
from allumette_core.compiler.program import Program, build
from allumette_core.compiler.simplify import simplify
from allumette_core.expr import placeholder

HOT = np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-45, -1e-45], np.float32)


def slope_of_relu() -> Program:
    x = al.Tensor(placeholder(HOT.shape, HOT.dtype, None))
    y, pullback = al.vjp(al.relu, x)
    return build([x._node], [y._node, pullback(al.exp(y))[0]._node])[0]


def test_the_argument_is_used_for_nothing_but_the_result() -> None:
    program = simplify(slope_of_relu())
    users = [i.primitive for i in program.instructions if 0 in i.inputs]
    assert users == [P.le, P.where]
    assert sum(i.primitive is P.le for i in program.instructions) == 2


def test_values_are_the_same_bit_for_bit() -> None:
    program = slope_of_relu()
    before, after = (
        NumpyBackend().compile(p, "numpy")([HOT]) for p in (program, simplify(program))
    )
    for wanted, found in zip(before, after, strict=True):
        np.testing.assert_array_equal(wanted, found)
        np.testing.assert_array_equal(np.signbit(wanted), np.signbit(found))


def test_a_larger_zero_is_no_relu() -> None:
    x = al.Tensor(placeholder((3,), np.dtype("float32"), None))
    condition = x <= 0
    outputs = [al.where(condition, al.zeros((5, 3)), x), al.sum(condition.astype("int32"))]
    program = build([x._node], [t._node for t in outputs])[0]
    given = np.array([-1.0, 0.0, 2.0], np.float32)
    assert NumpyBackend().compile(simplify(program), "numpy")([given])[1] == 2

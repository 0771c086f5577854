"""Expansion: the same values in fewer forms, every output a buffer of its own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.backend.reference import NumpyBackend
from allumette_core.compiler.expand import FEW, expand
from allumette_core.compiler.flows import is_view
from allumette_core.compiler.program import Program, build
from allumette_core.expr import Node, apply, literal, placeholder

HOT = [0.0, -0.0, 1.0, -2.0, np.nan, np.inf, -np.inf, 3.0]


def both(function: Callable[..., Any], *arrays: Any) -> Program:
    """What the program of `function` expands to; fails unless that computes the same."""
    inputs = [placeholder(a.shape, a.dtype, None) for a in arrays]
    made = function(*inputs)
    before = build(inputs, made if isinstance(made, list) else [made])[0]
    after = expand(before)
    run = NumpyBackend().compile
    for a, b in zip(run(before, "numpy")(arrays), run(after, "numpy")(arrays), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-6)
    return after


def names(program: Program) -> list[str]:
    return [i.primitive.name for i in program.instructions]


@pytest.mark.parametrize("primitive", [P.argmax, P.argmin], ids=["argmax", "argmin"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_positions_of_extremes_are_the_first_of_equals_and_nan_wins(
    primitive: Any, axis: int, dtype: str
) -> None:
    rows = np.array([HOT, HOT[::-1], [1.0] * 8, [2, 1, 3, 3, 1, 0, 0, 2]])
    with np.errstate(all="ignore"):
        x = rows.astype(dtype)
    after = both(lambda x: apply(primitive, x, params=((axis,),)), x)
    assert primitive.name not in names(after)


@pytest.mark.parametrize("count", [1, 2, FEW, FEW + 1])
@pytest.mark.parametrize("primitive", [P.sum_, P.max_], ids=["sum", "max"])
def test_a_reduction_over_few_elements_is_written_out(primitive: Any, count: int) -> None:
    x = np.arange(5.0 * count, dtype="float32").reshape(5, count)
    after = both(lambda x: apply(primitive, x, params=((1,),)), x)
    assert (primitive.name in names(after)) == (not 1 < count <= FEW)


def test_float16_adds_up_in_float32() -> None:
    x = np.full((3000,), 0.1, "float16")
    after = both(lambda x: apply(P.sum_, x, params=((0,),)), x)
    (total,) = [v for v, i in enumerate(after.instructions, 1) if i.primitive is P.sum_]
    assert after.avals[total].dtype == np.float32
    assert after.avals[after.outputs[0]].dtype == np.float16


def test_a_scatter_that_adds_starts_from_zeros() -> None:
    def scattered(x: Node, i: Node, u: Node) -> Node:
        return apply(P.scatter, x, i, u, params=(0, "add"))

    target, updates = np.ones(4, "float32"), np.array([5, 7], "float32")
    after = both(scattered, target, np.array([1, 1], "int32"), updates)
    scatter = next(i for i in after.instructions if i.primitive is P.scatter)
    zeros = after.instructions[scatter.inputs[0] - after.num_inputs]
    assert zeros.primitive is P.full
    assert zeros.params[1] == 0


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16"])
def test_products_that_no_kernel_multiplies(dtype: str) -> None:
    a, b = np.arange(12).reshape(3, 4).astype(dtype), np.arange(8).reshape(4, 2).astype(dtype)
    both(lambda a, b: apply(P.dot_general, a, b, params=((1,), (0,), (), ())), a, b)


def test_every_output_is_made_and_no_two_are_one() -> None:
    def outputs(x: Node) -> list[Node]:
        y = apply(P.exp, x)
        return [x, y, y, apply(P.flip, x, params=((0,),)), literal(1.0, x.dtype, (3,))]

    after = both(outputs, np.ones(3, "float32"))
    assert len(set(after.outputs)) == 5
    for value in after.outputs:
        assert value >= after.num_inputs
        assert not is_view(after.instructions[value - after.num_inputs])

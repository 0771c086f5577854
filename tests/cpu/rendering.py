"""Runs a small program as native code and on the NumPy reference, and compares the two."""

from collections.abc import Callable, Sequence
from typing import Any

import allumette_core as al
import numpy as np
from allumette_core.backend.reference import NumpyBackend
from allumette_core.compiler.program import Program, build
from allumette_core.expr import Node, apply, literal, placeholder
from allumette_core.primitives import PRIMITIVES
from allumette_cpu.render import plan
from allumette_cpu.runtime.bind import bind
from allumette_cpu.runtime.memory import Allocator, Frames

Array = np.ndarray[Any, Any]
TOLERANCE = {"float16": 4e-3, "float32": 3e-6, "float64": 1e-14}


class Maker:
    """`make.add(x, y)`, `make.sum(x, axes)`: nodes of primitives, by their names."""

    def __getattr__(self, name: str) -> Callable[..., Node]:
        primitive = PRIMITIVES[name]

        def node(*arguments: Any) -> Node:
            inputs = [a for a in arguments if isinstance(a, Node)]
            return apply(primitive, *inputs, params=tuple(arguments[len(inputs) :]))

        return node

    @staticmethod
    def const(value: float, dtype: str = "float32") -> Node:
        return literal(value, np.dtype(dtype))


make = Maker()


def program_of(function: Callable[..., Any], arrays: Sequence[Array]) -> Program:
    """The program of `function` on placeholders like `arrays`."""
    inputs = [placeholder(a.shape, a.dtype, None) for a in arrays]
    outputs = function(*inputs)
    return build(inputs, outputs if isinstance(outputs, list | tuple) else [outputs])[0]


def traced(step: Callable[..., Any], *args: Any) -> tuple[Program, list[Array]]:
    """The program of `step(*args)` on placeholders for the arrays in `args`, and these."""
    leaves, structure = al.tree.flatten(args)
    arrays = [np.asarray(leaf) for leaf in leaves]
    inputs = [placeholder(a.shape, a.dtype, None) for a in arrays]
    result = step(*al.tree.unflatten(structure, [al.Tensor(node) for node in inputs]))
    outputs = [leaf._node for leaf in al.tree.leaves(result)]
    return build(inputs, outputs)[0], arrays


def native(
    program: Program, arrays: Sequence[Array], threads: int = 1, *, streamed: bool = True
) -> list[Array]:
    """What compiled code makes of `arrays`, in memory that is full of NaN."""
    allocator = Allocator()
    frames = Frames(allocator)
    frames.grow(1 << 22)[...] = 0xFF
    bound = bind(program, plan(program, streamed=streamed), threads, allocator, frames)
    return [np.array(out) for out in bound(list(map(np.ascontiguousarray, arrays)))]


def reference(program: Program, arrays: Sequence[Array]) -> list[Array]:
    """What the NumPy reference makes of them."""
    return [np.asarray(a) for a in NumpyBackend().compile(program, "numpy")(list(arrays))]


def check(function: Callable[..., Any], *arrays: Array, tolerance: float = 1.0) -> None:
    """Fail unless compiled code agrees with the reference, and with itself on two threads."""
    program = program_of(function, arrays)
    expected, got = reference(program, arrays), native(program, arrays)
    for wanted, found, again in zip(expected, got, native(program, arrays, 2), strict=True):
        assert found.shape == wanted.shape
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, again)
        if wanted.dtype.kind != "f":
            np.testing.assert_array_equal(found, wanted)
            continue
        close = TOLERANCE[wanted.dtype.name] * tolerance
        finite = np.abs(wanted[np.isfinite(wanted)])
        scale = close * max(float(finite.max(initial=0.0)), 1e-30)
        np.testing.assert_allclose(found, wanted, rtol=close, atol=scale)

"""Random programs as compiled code, against the NumPy reference."""

from typing import Any

import numpy as np
import pytest
from allumette_core import primitives as P
from allumette_core.compiler import rows
from allumette_core.compiler.program import Program, build
from allumette_core.expr import Node, apply, literal, placeholder
from hypothesis import given, settings
from hypothesis import strategies as st

from .rendering import native, reference

F32, I32 = np.dtype("float32"), np.dtype("int32")
UNARY = (P.neg, P.abs_, P.sign, P.tanh, P.logistic, P.floor)
BINARY = (P.add, P.sub, P.mul, P.maximum, P.minimum)
FOLDS = (P.sum_, P.max_, P.min_)
SIZES = st.sampled_from([1, 1, 2, 3, 5, 33])


class Draft:
    """A program being drawn: every step uses values made before."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.inputs: list[Node] = []
        self.values: list[Node] = []

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(list(choices)))

    def value(self) -> Node:
        node: Node = self.pick(self.values)
        return node

    def input(self) -> None:
        shape = tuple(self.draw(st.lists(SIZES, min_size=1, max_size=3)))
        self.inputs.append(placeholder(shape, F32, None))
        self.values.append(self.inputs[-1])

    def step(self) -> None:
        name = self.pick(
            ("unary", "binary", "binary", "fold", "move", "dot", "where", "scan", "slide")
        )
        node = getattr(self, name)()
        size = int(np.prod(node.shape))
        if len(node.shape) <= 5 and size <= 50_000:
            self.values.append(node)

    def unary(self) -> Node:
        return apply(self.pick(UNARY), self.value())

    def fitting(self, x: Node) -> Node:
        """Something that broadcasts with x."""

        def fits(y: Node) -> bool:
            try:
                return np.broadcast_shapes(x.shape, y.shape) is not None
            except ValueError:
                return False

        return self.pick([*filter(fits, self.values), literal(self.pick((0.5, -2.0, 3.0)), F32)])

    def binary(self) -> Node:
        x = self.value()
        pair = (x, self.fitting(x)) if self.pick((True, False)) else (self.fitting(x), x)
        return apply(self.pick(BINARY), *pair)

    def where(self) -> Node:
        x = self.value()
        y = self.fitting(x)
        return apply(P.where, apply(P.le, x, y), x, y)

    def axis(self, x: Node) -> int:
        axis: int = self.pick(range(len(x.shape)))
        return axis

    def fold(self) -> Node:
        x = self.value()
        if not x.shape:
            return x
        axes = {self.axis(x), self.axis(x)}
        return apply(self.pick(FOLDS), x, params=(tuple(sorted(axes)),))

    def scan(self) -> Node:
        x = self.value()
        if not x.shape:
            return x
        return apply(self.pick((P.cummax, P.cumsum)), x, params=(self.axis(x),))

    def dot(self) -> Node:
        x, y = self.value(), self.value()
        contract: list[tuple[int, int]] = []
        batch: list[tuple[int, int]] = []
        for i, m in enumerate(x.shape):
            used = [j for _, j in (*contract, *batch)]
            fits = [j for j, n in enumerate(y.shape) if m == n and j not in used]
            if fits:
                self.pick((contract, contract, batch, [])).append((i, self.pick(fits)))
        axes = (tuple(p[side] for p in pairs) for pairs in (contract, batch) for side in (0, 1))
        return apply(P.tanh, apply(P.dot_general, x, y, params=tuple(axes)))

    def slide(self) -> Node:
        x = self.value()
        axes = tuple(a for a, n in enumerate(x.shape) if n >= 3 and self.pick((True, False)))
        sizes = tuple(self.pick((1, 2, 3)) for _ in axes)
        steps = tuple(self.pick((1, 1, 2)) for _ in axes)
        view = apply(P.windows, x, params=(axes, sizes, steps, (1,) * len(axes)))
        if self.pick((True, False)):
            return view
        return apply(P.fold, view, params=(axes, sizes, steps, (1,) * len(axes), x.shape))

    def move(self) -> Node:
        x = self.value()
        rank = len(x.shape)
        if not rank:
            return apply(P.broadcast, x, params=((3,),))
        kind = self.pick(("reshape", "permute", "slice", "flip", "broadcast", "pad", "concat"))
        if kind == "permute":
            return apply(P.permute, x, params=(tuple(self.draw(st.permutations(range(rank)))),))
        if kind == "flip":
            return apply(P.flip, x, params=((self.axis(x),),))
        if kind == "slice":
            starts = tuple(self.draw(st.integers(0, n - 1)) for n in x.shape)
            return apply(P.slice_, x, params=(starts, x.shape, (self.pick((1, 2)),) * rank))
        if kind == "broadcast":
            return apply(P.broadcast, x, params=((2, *x.shape),))
        if kind == "pad":
            lo, hi = ((self.pick((0, 1)),) * rank for _ in range(2))
            return apply(P.pad, x, literal(0.25, F32), params=(lo, hi, (self.pick((0, 1)),) * rank))
        if kind == "concat":
            return apply(P.concat, x, apply(P.neg, x), params=(self.axis(x),))
        split = [n for n in (2, 3, 5, 11) if x.shape[0] % n == 0]
        if split and self.pick((True, False)):
            n = self.pick(split)
            return apply(P.reshape, x, params=((n, x.shape[0] // n, *x.shape[1:]),))
        first = int(np.prod(x.shape[:2]))
        return apply(P.reshape, x, params=((first, *x.shape[2:]),))


@st.composite
def programs(draw: Any) -> Program:
    draft = Draft(draw)
    for _ in range(draw(st.integers(1, 3))):
        draft.input()
    for _ in range(draw(st.integers(1, 14))):
        draft.step()
    outputs = draft.values[-draw(st.integers(1, 3)) :]
    return build(draft.inputs, outputs)[0]


@pytest.mark.parametrize("narrow", [True, False], ids=["by column", "by row"])
@settings(max_examples=120, deadline=None, derandomize=True)
@given(program=programs())
def test_compiled_code_agrees_with_the_reference(narrow: bool, program: Program) -> None:
    with pytest.MonkeyPatch.context() as patch:  # however small the program is
        patch.setattr(rows, "MANY_ROWS", 1)
        patch.setattr(rows, "NARROW", 1 << 30 if narrow else -1)
        agree(program)


def agree(program: Program) -> None:
    """Fail unless native code computes what the reference does, on one thread and on two."""
    random = np.random.default_rng(0)
    shapes = [aval.shape for aval in program.avals[: program.num_inputs]]
    arrays = [random.integers(-8, 9, shape).astype("float32") / 4 for shape in shapes]
    expected, got = reference(program, arrays), native(program, arrays)
    for wanted, found, again in zip(expected, got, native(program, arrays, 2), strict=True):
        np.testing.assert_array_equal(found, again)
        scale = 1e-4 * float(np.max(np.abs(wanted), initial=1e-3))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=scale)

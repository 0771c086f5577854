"""A phase of a program as one for a piece of its rows: what rows take of the inputs and give.

Core's scheduler says along which axis each value of a phase moves with the rows. The program for so
many rows is the same one with shorter axes; what is numbered (`iota`) starts at the first row, and
what is folded up goes on from what the rows before gave.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from allumette_core import primitives as P
from allumette_core.compiler.flows import Flow
from allumette_core.compiler.program import Aval, Instruction, Program, build
from allumette_core.compiler.rows import Phase
from allumette_core.dtypes import DType, int32
from allumette_core.expr import Node, apply, literal, placeholder
from allumette_core.primitives import Params, Primitive
from allumette_core.shapes import Shape
from numpy.typing import NDArray

_JOINS: dict[Primitive, Primitive] = {
    P.sum_: P.add, P.dot_general: P.add, P.scatter: P.add,
    P.prod: P.mul, P.max_: P.maximum, P.min_: P.minimum,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """The program of `rows` rows of a phase.

    Its inputs are `inputs` (of the whole program), of which it takes only its rows where `moving`
    says so; the number of its first row, if it is `numbered`; and for each output that is folded
    up (by a primitive in `folds`) what the rows before gave.
    """

    rows: int
    program: Program
    inputs: tuple[int, ...]
    moving: tuple[bool, ...]
    numbered: bool
    folds: tuple[Primitive | None, ...]


def piece(phase: Phase, rows: int) -> Piece | None:
    """The program of `rows` rows of `phase`, None where its rows do not lie one after another."""
    try:
        return _Cutter(phase, rows).piece()
    except _NotInPiecesError:
        return None


def start(fold: Primitive, aval: Aval) -> NDArray[np.generic]:
    """What a fold is before the first row."""
    shape, dtype = aval
    if fold in (P.add, P.mul):
        return np.full(shape, fold is P.mul, dtype)
    if dtype.kind == "b":
        return np.full(shape, fold is P.minimum, dtype)
    if dtype.kind == "f":
        return np.full(shape, -np.inf if fold is P.maximum else np.inf, dtype)
    ends = np.iinfo(dtype)
    return np.full(shape, ends.min if fold is P.maximum else ends.max, dtype)


class _NotInPiecesError(Exception):
    """The rows of something are not its outermost axis."""


class _Cutter:
    """Builds the nodes of a piece."""

    def __init__(self, phase: Phase, rows: int) -> None:
        self.phase, self.rows = phase, rows
        self.inputs: dict[tuple[int, bool], Node] = {}
        self.first: Node | None = None
        self.nodes: list[Node] = []

    def piece(self) -> Piece:
        phase, program = self.phase, self.phase.program
        steps = zip(program.instructions, phase.flows, strict=True)
        for position, (instruction, flow) in enumerate(steps):
            self.nodes.append(self._node(position, instruction, flow))
        before, outputs, folds = [], [], []
        for value in program.outputs:
            node, fold = self.nodes[value - program.num_inputs], None
            if phase.folds(value):
                fold = _JOINS[program.instructions[value - program.num_inputs].primitive]
                before.append(placeholder(node.shape, node.dtype, None))
                node = apply(fold, before[-1], node)
            elif phase.axis(value) != 0:
                raise _NotInPiecesError
            outputs.append(node)
            folds.append(fold)
        inputs = [*self.inputs.values(), *([self.first] if self.first else []), *before]
        made, _ = build(inputs, outputs, is_leaf=lambda node: False)
        return Piece(
            self.rows,
            made,
            tuple(phase.inputs[value] for value, _ in self.inputs),
            tuple(moving for _, moving in self.inputs),
            self.first is not None,
            tuple(folds),
        )

    def _cut(self, size: int) -> int:
        """So much of an axis of `size` have the rows of this piece."""
        return size // self.phase.rows * self.rows

    def _resized(self, shape: Shape, axis: int) -> Shape:
        return (*shape[:axis], self._cut(shape[axis]), *shape[axis + 1 :])

    def _operand(self, value: int, axis: int | None) -> Node:
        if value >= self.phase.program.num_inputs:
            return self.nodes[value - self.phase.program.num_inputs]
        if axis:
            raise _NotInPiecesError
        key, (shape, dtype) = (value, axis == 0), self.phase.program.avals[value]
        if key not in self.inputs:
            shape = shape if axis is None else self._resized(shape, 0)
            self.inputs[key] = placeholder(shape, dtype, None)
        return self.inputs[key]

    def _node(self, position: int, instruction: Instruction, flow: Flow | None) -> Node:
        primitive, values, params = instruction
        axes = flow.ins if flow else (None,) * len(values)
        operands = [self._operand(v, a) for v, a in zip(values, axes, strict=True)]
        if flow is None or flow.out is None:
            return apply(primitive, *operands, params=params)
        if primitive is P.iota:
            return self._numbers(*params)
        if primitive in _SIZED:
            params = _SIZED[primitive](params, flow.out, self._resized)
        return apply(primitive, *operands, params=params)

    def _numbers(self, size: int, dtype: DType) -> Node:
        """The numbers of this piece's rows: `size` are those of all."""
        if self.first is None:
            self.first = placeholder((), int32, None)
        per_row = literal(size // self.phase.rows, int32)
        first = apply(P.mul, self.first, per_row)
        found = apply(P.add, apply(P.iota, params=(self._cut(size), int32)), first)
        return found if dtype == int32 else apply(P.cast, found, params=(dtype,))


Resize = Callable[[Shape, int], Shape]


def _slice(params: Params, axis: int, resized: Resize) -> Params:
    """The axis of rows is taken whole, as its size stays."""
    starts, stops, steps = params
    return starts, resized(stops, axis), steps


_SIZED: dict[Primitive, Callable[[Params, int, Resize], Params]] = {
    P.reshape: lambda params, axis, resized: (resized(params[0], axis),),
    P.broadcast: lambda params, axis, resized: (resized(params[0], axis),),
    P.full: lambda params, axis, resized: (resized(params[0], axis), *params[1:]),
    P.slice_: _slice,
}
"""How params that have the size of the axis of rows change with it."""

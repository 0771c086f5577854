"""Rewrites that every renderer of schedules wants: fewer forms to know, nothing new in meaning."""

from itertools import product
from math import prod

from .. import primitives as P
from ..dtypes import DEFAULT_INT, float16, float32
from ..expr import Node, apply, literal
from ..primitives import Primitive
from ..shapes import Shape
from .contractions import product_of
from .decompose import replay
from .flows import is_view
from .program import Instruction, Program

FEW = 4  # elements
_PAIRWISE = {P.sum_: P.add, P.prod: P.mul, P.max_: P.maximum, P.min_: P.minimum}
_WIDE = frozenset((P.sum_, P.prod, P.cumsum, P.cumprod, P.fold, P.scatter, P.dot_general))


def expand(program: Program) -> Program:
    """`program` in the forms that are scheduled, every output a value of its own.

    - Narrow and integer contractions are multiplications and sums.
    - What accumulates float16 does so in float32.
    - A scatter that adds, adds to zeros.
    - A reduction over a few elements is written out, so that it fuses.
    - The position of an extreme is the first one that equals it, which is a reduction too.
    """
    return _distinct_outputs(replay(program, _emit))


def _emit(instruction: Instruction, inputs: list[Node]) -> Node:
    primitive, _, params = instruction
    if primitive in _WIDE and inputs[0].dtype == float16:
        wide = [apply(P.cast, x, params=(float32,)) if x.dtype == float16 else x for x in inputs]
        return apply(P.cast, _emit(instruction, wide), params=(float16,))
    if primitive is P.dot_general:
        return product_of(inputs[0], inputs[1], params)
    if primitive is P.scatter and params[1] == "add" and not _is_zero(inputs[0]):
        target, indices, updates = inputs
        zeros = literal(0, target.dtype, target.shape)
        return apply(P.add, target, apply(P.scatter, zeros, indices, updates, params=params))
    if primitive in (P.argmax, P.argmin):
        return _position(P.max_ if primitive is P.argmax else P.min_, inputs[0], params[0][0])
    if primitive in _PAIRWISE and 1 < prod(inputs[0].shape[a] for a in params[0]) <= FEW:
        return _written_out(_PAIRWISE[primitive], inputs[0], params[0])
    return apply(primitive, *inputs, params=params)


def _position(extreme: Primitive, x: Node, axis: int) -> Node:
    """Where the extreme of x along `axis` is, or its first NaN if there is one."""
    size = x.shape[axis]
    line = tuple(size if a == axis else 1 for a in range(len(x.shape)))
    column = tuple(1 if a == axis else n for a, n in enumerate(x.shape))
    best = apply(P.reshape, apply(extreme, x, params=((axis,),)), params=(column,))
    found = apply(P.eq, x, best)
    if x.dtype.kind == "f":
        found = apply(P.bit_or, found, apply(P.ne, x, x))
    places = apply(P.reshape, apply(P.iota, params=(size, DEFAULT_INT)), params=(line,))
    candidates = apply(P.where, found, places, literal(size, DEFAULT_INT))
    return apply(P.min_, candidates, params=((axis,),))


def _written_out(combine: Primitive, x: Node, axes: Shape) -> Node:
    """x reduced over `axes` by combining its slices in pairs."""
    kept = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
    parts = []
    for index in product(*(range(x.shape[axis]) for axis in axes)):
        at = dict(zip(axes, index, strict=True))
        starts = tuple(at.get(axis, 0) for axis in range(len(x.shape)))
        stops = tuple(at[a] + 1 if a in at else size for a, size in enumerate(x.shape))
        part = apply(P.slice_, x, params=(starts, stops, (1,) * len(x.shape)))
        parts.append(apply(P.reshape, part, params=(kept,)))
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [apply(combine, *pair) if len(pair) > 1 else pair[0] for pair in pairs]
    if combine is P.add and x.dtype.kind == "f":  # a sum starts from 0, which makes 0 of -0
        return apply(P.add, parts[0], literal(0.0, x.dtype))
    return parts[0]


def _is_zero(node: Node) -> bool:
    return node.primitive is P.full and node.params[1] == 0


def _distinct_outputs(program: Program) -> Program:
    """`program` with a copy in place of an output that is an input or another output."""
    outputs: list[int] = []
    instructions, avals = list(program.instructions), list(program.avals)
    for value in program.outputs:
        made = value >= program.num_inputs
        if (
            not made
            or value in outputs
            or is_view(program.instructions[value - program.num_inputs])
        ):
            instructions.append(Instruction(P.alias, (value,), ("copy",)))
            avals.append(program.avals[value])
            value = len(avals) - 1
        outputs.append(value)
    return Program(
        tuple(avals), program.num_inputs, tuple(instructions), tuple(outputs), program.donated
    )

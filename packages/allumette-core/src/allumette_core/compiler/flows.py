"""How rows flow through a primitive: which axes of its result and of its inputs move together.

A `Flow` says: row i of the result (along `out`) needs only row i of each input (along its entry of
`ins`), and all of an input whose entry is None. With `out` None the rows are used up: the result is
the fold of what each row gives, so it may be accumulated piece by piece. An instruction has one
flow for each axis along which it can be cut into pieces. This table is all that streaming knows
about primitives.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import NamedTuple

from .. import primitives as P
from ..primitives import Kind, Params, Primitive
from ..shapes import Shape
from .program import Instruction, Program


class Flow(NamedTuple):
    """The axes of result and inputs that move together; None: that input is needed whole."""

    out: int | None
    ins: tuple[int | None, ...]


Rule = Callable[[Sequence[Shape], Shape, Params], Iterator[Flow]]


def flows(program: Program, position: int) -> list[Flow]:
    """Every way in which instruction number `position` can be cut into rows."""
    primitive, inputs, params = program.instructions[position]
    shapes = [program.avals[i].shape for i in inputs]
    out = program.avals[program.num_inputs + position].shape
    rule = _RULES.get(primitive) or (_elementwise if primitive.kind is Kind.ELEMENTWISE else None)
    found = list(rule(shapes, out, params)) if rule else []
    if is_free(program.instructions[position]):
        aligned = {flow.out for flow in found}
        whole = (None,) * len(inputs)
        found += [Flow(axis, whole) for axis in range(len(out)) if axis not in aligned]
    return found


def is_free(instruction: Instruction) -> bool:
    """Whether computing this costs nothing where it is used: index arithmetic, or a constant."""
    return instruction.primitive in _FREE


def is_view(instruction: Instruction) -> bool:
    """Whether the result is its operand in another order, and so needs no memory."""
    return instruction.primitive in _VIEWS


def accumulates(instruction: Instruction) -> bool:
    """Whether partial results of this instruction over pieces of its rows can be combined."""
    return instruction.primitive in _FOLDS


def _elementwise(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    for axis, size in enumerate(out):
        back = axis - len(out)
        yield Flow(
            axis,
            tuple(
                axis - len(out) + len(shape)
                if len(shape) >= -back and shape[back] == size
                else None
                for shape in ins
            ),
        )


def _same_axes(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    """Axes of equal number move along unless their size is changed."""
    for axis, size in enumerate(out):
        if ins[0][axis] == size:
            yield Flow(axis, (axis, *(None for _ in ins[1:])))


def _slice(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    yield from _same_axes(ins, out, params)


def _flip(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    return (flow for flow in _same_axes(ins, out, params) if flow.out not in params[0])


def _permute(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    return (Flow(axis, (source,)) for axis, source in enumerate(params[0]))


def _windows(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    return (Flow(axis, (axis,)) for axis in range(len(ins[0])) if axis not in params[0])


def _fold(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    return (Flow(axis, (axis,)) for axis in range(len(out)) if axis not in params[0])


def _concat(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    return (Flow(axis, (axis,) * len(ins)) for axis in range(len(out)) if axis != params[0])


def _reshape(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    """The first axes of every group of axes that keeps its number of elements."""
    (shape,) = ins
    if 0 in shape:
        return
    i = j = 0
    while i < len(shape) and j < len(out):
        start, end = i, j
        left, right = shape[i], out[j]
        while left != right:
            if left < right:
                i += 1
                left *= shape[i]
            else:
                j += 1
                right *= out[j]
        first, second = shape[start], out[end]
        if first == 1 and start < i:  # the leading 1 is not the axis that matters
            start = next(k for k in range(start, i + 1) if shape[k] != 1)
        if second == 1 and end < j:
            end = next(k for k in range(end, j + 1) if out[k] != 1)
        first, second = shape[start], out[end]
        if first > 1 and (first % second == 0 or second % first == 0):
            yield Flow(end, (start,))
        i, j = i + 1, j + 1
        while i < len(shape) and shape[i] == 1 and not (j < len(out) and out[j] == 1):
            i += 1
        while j < len(out) and out[j] == 1 and not (i < len(shape) and shape[i] == 1):
            j += 1


def _kept(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    kept = [axis for axis in range(len(ins[0])) if axis not in params[0]]
    return (Flow(axis, (source,)) for axis, source in enumerate(kept))


def _reduce(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    yield from _kept(ins, out, params)
    yield from (Flow(None, (axis,)) for axis in params[0])


def _along(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    return (Flow(axis, (axis,)) for axis in range(len(out)) if axis != params[0])


def _dot_general(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    a, b = ins
    a_contract, b_contract, a_batch, b_batch = params
    for axis, (i, j) in enumerate(zip(a_batch, b_batch, strict=True)):
        yield Flow(axis, (i, j))
    a_free = [i for i in range(len(a)) if i not in a_contract and i not in a_batch]
    b_free = [j for j in range(len(b)) if j not in b_contract and j not in b_batch]
    for axis, i in enumerate(a_free, len(a_batch)):
        yield Flow(axis, (i, None))
    for axis, j in enumerate(b_free, len(a_batch) + len(a_free)):
        yield Flow(axis, (None, j))
    for i, j in zip(a_contract, b_contract, strict=True):
        yield Flow(None, (i, j))


def _gather(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    (x, indices), (axis,) = ins, params
    for i in range(len(indices)):
        yield Flow(axis + i, (None, i))
    for i in range(len(x)):
        if i != axis:
            yield Flow(i if i < axis else i - 1 + len(indices), (i, None))


def _scatter(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    (x, indices, _), (axis, mode) = ins, params
    for i in range(len(x)):
        if i != axis:
            yield Flow(i, (i, None, i if i < axis else i - 1 + len(indices)))
    if mode == "add":
        for i in range(len(indices)):
            yield Flow(None, (None, i, axis + i))


def _made(ins: Sequence[Shape], out: Shape, params: Params) -> Iterator[Flow]:
    """What is computed from the number of each element needs no input along any axis."""
    return (Flow(axis, (None,) * len(ins)) for axis in range(len(out)) if prod(out))


_RULES: dict[Primitive, Rule] = {
    P.reshape: _reshape, P.permute: _permute, P.broadcast: _elementwise, P.slice_: _slice,
    P.flip: _flip, P.windows: _windows, P.fold: _fold, P.pad: _same_axes, P.concat: _concat,
    P.sum_: _reduce, P.prod: _reduce, P.max_: _reduce, P.min_: _reduce, P.argmax: _kept,
    P.argmin: _kept, P.cumsum: _along, P.cumprod: _along, P.cummax: _along, P.cummin: _along,
    P.sort: _along, P.argsort: _along, P.dot_general: _dot_general, P.gather: _gather,
    P.scatter: _scatter, P.full: _made, P.iota: _made, P.random_bits: _made,
}  # fmt: skip
_FOLDS = frozenset((P.sum_, P.prod, P.max_, P.min_, P.dot_general, P.scatter))
_VIEWS = frozenset((P.reshape, P.permute, P.broadcast, P.slice_, P.flip, P.windows))
_FREE = _VIEWS | {P.full, P.iota}

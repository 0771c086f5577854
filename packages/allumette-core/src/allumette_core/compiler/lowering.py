"""What each primitive that is neither elementwise nor a view becomes: terms, stores, products."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .. import primitives as P
from ..dtypes import DType
from ..layout import Layout
from ..primitives import Kind, Primitive
from .contractions import contract
from .program import Instruction
from .schedule import Access, Leaf, Store, Term, spread

if TYPE_CHECKING:
    from .fusion import Fusion

_FOLDS = {
    P.sum_: "sum", P.prod: "prod", P.max_: "max", P.min_: "min",
    P.cumsum: "cumsum", P.cumprod: "cumprod", P.cummax: "cummax",
    P.cummin: "cummin",
}  # fmt: skip
COUNTER = np.dtype("uint64")


def _rows(fusion: "Fusion", value: int, operand: int) -> int | None:
    """The axis of an operand that moves with the rows when `value` is made."""
    flow = fusion.phase.flow(value)
    return flow.ins[operand] if flow else None


def _reduce(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    (source,), (axes,) = instruction.inputs, instruction.params
    space = fusion.avals[source].shape
    access = Access(value, spread(fusion.claim(value), axes, space))
    store = Store(access, fusion.value(source), _FOLDS[instruction.primitive])
    fusion.nests.store(space, _rows(fusion, value, 0), store)


def _scan(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    (source,), (axis,) = instruction.inputs, instruction.params
    space = fusion.avals[source].shape
    access = Access(value, fusion.claim(value))
    kind = _FOLDS[instruction.primitive] if space[axis] > 1 else None
    store = Store(
        access, fusion.value(source), kind,
        along=(access.layout.strides[axis], space[axis]),
    )  # fmt: skip
    fusion.nests.store(space, _rows(fusion, value, 0), store)


def _full(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    _, number, dtype = instruction.params
    fusion.term_of[value] = fusion.terms.const(number, dtype)


def _iota(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    shape, dtype = fusion.avals[value]
    fusion.term_of[value] = _counter(fusion, shape, dtype)


def _counter(fusion: "Fusion", shape: tuple[int, ...], dtype: DType) -> int:
    """The number of each point in row-major order."""
    return fusion.terms.number(
        Term(Leaf.INDEX, (), (), dtype, Access(-1, Layout.contiguous(shape)))
    )


def _random_bits(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    shape, dtype = fusion.avals[value]
    key = fusion.value(instruction.inputs[0])

    def word(number: int) -> int:
        def pick(layout: Layout) -> Layout:
            return layout.slice((number,), (number + 1,), (1,)).broadcast(shape or (1,))

        def scalar(layout: Layout) -> Layout | None:
            return pick(layout).reshape(shape)

        term = fusion.terms.view(key, scalar)
        assert term is not None
        return term

    operands = (_counter(fusion, shape, COUNTER), word(0), word(1))
    fusion.define(value, fusion.terms.number(Term(P.random_bits, operands, (), dtype)))


def _pad(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    (source, filler), (lo, _, interior) = instruction.inputs, instruction.params
    shape, part = fusion.avals[value].shape, fusion.avals[source].shape
    axis, fill, term = fusion.phase.axis(value), fusion.over(filler, shape), fusion.value(source)
    layout = fusion.claim(value)
    fusion.nests.store(shape, axis, Store(Access(value, layout), fill))
    steps = tuple(inner + 1 for inner in interior)
    stops = tuple(
        low + max(size - 1, 0) * step + (size > 0)
        for low, size, step in zip(lo, part, steps, strict=True)
    )
    fusion.nests.store(part, axis, Store(Access(value, layout.slice(lo, stops, steps)), term))


def _concat(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    (axis,) = instruction.params
    rows, start = fusion.phase.axis(value), 0
    terms = [fusion.value(source) for source in instruction.inputs]
    layout = fusion.claim(value)
    for source, term in zip(instruction.inputs, terms, strict=True):
        part = fusion.avals[source].shape
        starts = tuple(start if a == axis else 0 for a in range(len(part)))
        stops = tuple(s + n for s, n in zip(starts, part, strict=True))
        inside = layout.slice(starts, stops, (1,) * len(part))
        fusion.nests.store(part, rows, Store(Access(value, inside), term))
        start += part[axis]


def _fold(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    (source,), (axes, sizes, strides, dilations, shape) = instruction.inputs, instruction.params
    rows, term = fusion.phase.axis(value), fusion.value(source)
    layout = fusion.claim(value)
    zero = fusion.terms.const(0, fusion.avals[value].dtype)
    fusion.nests.store(shape, rows, Store(Access(value, layout), zero))
    overlapping = Access(value, layout.windows(axes, sizes, strides, dilations))
    space = fusion.avals[source].shape
    fusion.nests.store(space, rows, Store(overlapping, term, "sum", fresh=False))


def _gather(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    (source, indices), (axis,) = instruction.inputs, instruction.params
    shape, dtype = fusion.avals[value]
    access = fusion.access(source)
    layout, count = access.layout, len(fusion.avals[indices].shape)
    strides = (*layout.strides[:axis], *(0,) * count, *layout.strides[axis + 1 :])
    rest = Access(access.value, Layout(shape, strides, layout.offset))
    params = (layout.strides[axis], layout.shape[axis])
    index = _index(fusion, indices, axis, shape)
    fusion.define(value, fusion.terms.number(Term(P.gather, (index,), params, dtype, rest)))


def _index(fusion: "Fusion", indices: int, axis: int, shape: tuple[int, ...]) -> int:
    """The term of `indices`, whose axes are those of `shape` from `axis`."""
    size = fusion.avals[indices].shape
    after = len(shape) - axis - len(size)

    def change(layout: Layout) -> Layout:
        strides = (*(0,) * axis, *layout.strides, *(0,) * after)
        return Layout(shape, strides, layout.offset)

    term = fusion.terms.view(fusion.value(indices), change)
    assert term is not None
    return term


def _scatter(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    (source, indices, updates), (axis, mode) = instruction.inputs, instruction.params
    shape, space = fusion.avals[value].shape, fusion.avals[updates].shape
    start, term = fusion.value(source), fusion.value(updates)
    index = _index(fusion, indices, axis, space)
    layout = fusion.claim(value)
    if not fusion.phase.folds(value):  # else it starts from zero, which is what `source` is
        fusion.nests.store(shape, fusion.phase.axis(value), Store(Access(value, layout), start))
    count = len(fusion.avals[indices].shape)
    strides = (*layout.strides[:axis], *(0,) * count, *layout.strides[axis + 1 :])
    access = Access(value, Layout(space, strides, layout.offset))
    kind = "scatter" if mode == "add" else "set"
    along = (layout.strides[axis], shape[axis])
    store = Store(access, term, kind, index, along, fresh=False)
    fusion.nests.store(space, _rows(fusion, value, 2), store)


def _contract(fusion: "Fusion", value: int, instruction: Instruction) -> None:
    product = contract(fusion, value, instruction)
    fusion.nests.add(product, product.out)


RULES: dict[Primitive, Callable[["Fusion", int, Instruction], None]] = {
    P.sum_: _reduce, P.prod: _reduce, P.max_: _reduce, P.min_: _reduce,
    P.cumsum: _scan, P.cumprod: _scan, P.cummax: _scan, P.cummin: _scan,
    P.full: _full, P.iota: _iota, P.random_bits: _random_bits, P.pad: _pad, P.concat: _concat,
    P.fold: _fold, P.gather: _gather, P.scatter: _scatter, P.dot_general: _contract,
}  # fmt: skip


def renders(instruction: Instruction) -> bool:
    """Whether an instruction has a form in schedules; what has none is a phase of its own."""
    primitive = instruction.primitive
    return primitive.kind in (Kind.ELEMENTWISE, Kind.VIEW) or primitive in RULES

"""Contractions: which are loops rather than products of matrices, and how the rest are laid out.

Narrow and integer products become multiplications and sums, which fuse with what is around them.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from .. import primitives as P
from .. import shapes
from ..expr import Node, apply
from ..layout import Layout
from ..primitives import Params
from ..shapes import Shape
from .products import LONG, ONE, forms
from .program import Instruction
from .schedule import Access, Contract, Dim, by_column

if TYPE_CHECKING:
    from .fusion import Fusion

FEW_TERMS = 4  # products this short are added up at each point, where they fuse
FEW_COLUMNS = 2  # products with so narrow an operand are reductions, which fuse too


def product_of(lhs: Node, rhs: Node, params: Params) -> Node:
    """A dot_general as such if it is a product of matrices, else as simpler operations."""
    a_contract, b_contract, a_batch, b_batch = params
    a_free = free_axes(len(lhs.shape), a_contract, a_batch)
    b_free = free_axes(len(rhs.shape), b_contract, b_batch)
    terms = prod(lhs.shape[i] for i in a_contract)
    m, n = prod(lhs.shape[i] for i in a_free), prod(rhs.shape[i] for i in b_free)
    matrices = lhs.dtype.kind == "f" and min(terms, m, n) > 0
    if matrices and terms > FEW_TERMS and min(m, n) > FEW_COLUMNS:
        return apply(P.dot_general, lhs, rhs, params=params)
    left = _arranged(lhs, a_batch, a_free, len(b_free), a_contract)
    right = _arranged(rhs, b_batch, b_free, -len(a_free), b_contract)
    if terms == 0 or terms > FEW_TERMS:
        axes = tuple(range(len(left.shape) - len(a_contract), len(left.shape)))
        return _sums(left, right, axes)
    out = shapes.dot_general(lhs.shape, rhs.shape, *params)
    products = [
        apply(P.mul, _column(left, index), _column(right, index))
        for index in product(*(range(lhs.shape[i]) for i in a_contract))
    ]
    total = products[0]
    for term in products[1:]:
        total = apply(P.add, total, term)
    return apply(P.reshape, total, params=(out,)) if total.shape != out else total


def _sums(left: Node, right: Node, axes: Shape) -> Node:
    """left * right added up along the last `axes`: a sum for each of a few columns, so that all
    share one loop over what has many."""
    space = np.broadcast_shapes(left.shape, right.shape)
    few = [a for a in range(axes[0]) if 1 < space[a] <= FEW_COLUMNS and axes[0] > 1]
    if not few or 0 in space:
        return apply(P.sum_, apply(P.mul, left, right), params=(axes,))
    axis = few[0]
    parts = []
    for index in range(space[axis]):
        one, other = (_part(x, axis, min(index, x.shape[axis] - 1)) for x in (left, right))
        parts.append(_sums(one, other, axes))
    return apply(P.concat, *parts, params=(axis,))


def _part(x: Node, axis: int, index: int) -> Node:
    """x at `index` of an axis that stays."""
    starts = tuple(index if a == axis else 0 for a in range(len(x.shape)))
    stops = tuple(index + 1 if a == axis else n for a, n in enumerate(x.shape))
    return apply(P.slice_, x, params=(starts, stops, (1,) * len(x.shape)))


def free_axes(rank: int, contract: Shape, batch: Shape) -> Shape:
    """The axes of an operand that are neither contracted nor batch."""
    return tuple(i for i in range(rank) if i not in contract and i not in batch)


def _arranged(x: Node, batch: Shape, free: Shape, ones: int, contract: Shape) -> Node:
    """x with its axes in the order batch, free, contracted, and `ones` axes of size 1 after the
    free ones (before them if negative): those of the other operand."""
    x = apply(P.permute, x, params=(batch + free + contract,))
    place = len(batch) + (len(free) if ones > 0 else 0)
    shape = (*x.shape[:place], *(1,) * abs(ones), *x.shape[place:])
    return apply(P.reshape, x, params=(shape,)) if ones else x


def _column(x: Node, index: Shape) -> Node:
    """x at `index` of its last axes."""
    kept = len(x.shape) - len(index)
    starts, stops = (0,) * kept + index, x.shape[:kept] + tuple(i + 1 for i in index)
    part = apply(P.slice_, x, params=(starts, stops, (1,) * len(x.shape)))
    return apply(P.reshape, part, params=(x.shape[:kept],))


# ---- products of matrices ----------------------------------------------------------------------


def contract(fusion: "Fusion", value: int, instruction: Instruction) -> Contract:
    """The statement of a dot_general on operands in memory."""
    lhs, rhs = (fusion.access(i) for i in instruction.inputs)
    flow = fusion.phase.flow(value)
    rows_of = (flow.out, *flow.ins) if flow else (None, None, None)
    if value not in fusion.program.outputs and (output := fusion.destination(value)) is not None:
        found, loops = _best(fusion, (lhs, rhs), output, rows_of, instruction.params)
        if found is not None and loops == 1:
            fusion.claim(output.value)
            fusion.term_of[value] = fusion.load(output)
            return found
    order = _order(lhs, rhs, rows_of[0], instruction.params)
    out = Access(value, fusion.claim(value, order))
    made, _ = _best(fusion, (lhs, rhs), out, rows_of, instruction.params)
    assert made is not None  # copies and a place of its own make a product of anything
    return made


def _best(
    fusion: "Fusion",
    operands: tuple[Access, Access],
    out: Access,
    rows_of: tuple[int | None, ...],
    params: Params,
) -> tuple[Contract | None, int]:
    """The product that is written to `out`, with as few loops around it as can be, and how many;
    None if `out` has neither rows nor columns in one piece."""
    best: Contract | None = None
    least = 0
    # Operands are copied only if that makes one product of many: the left, the right, both.
    for copied in ((), (1,), (0,), (0, 1)):
        sides = list(operands)
        for side in copied:
            axes = params[2 + side], params[side]
            sides[side] = _ordered(fusion, operands[side], rows_of[1 + side], *axes)
        layouts = (sides[0].layout, sides[1].layout, out.layout)
        groups = _groups(*layouts, params, rows_of)
        merged = [_merged(d, fusion.phase.rows) for d in groups]
        offsets = (layouts[0].offset, layouts[1].offset, layouts[2].offset)
        values = out.value, sides[0].value, sides[1].value
        accumulate = fusion.phase.folds(out.value)
        plain = Contract(*values, offsets, (), ONE, ONE, ONE, accumulate)
        for found in forms(plain, merged):
            loops = prod(dim.size for dim in found.batch[len(merged[0]) :] if not dim.rows)
            if best is None or loops < least:
                best, least = found, loops
        if least == 1:
            break
    return best, least


def _order(lhs: Access, rhs: Access, rows: int | None, params: Params) -> Shape:
    """The axes of a result so that the rows come last, and with them all of their operand's.

    Where each row has a product of its own, it is those that have to be in one piece.
    """
    batch, m = len(params[2]), len(lhs.layout.shape) - len(params[0])
    n = len(rhs.layout.shape) - len(params[1]) - batch
    groups = range(batch), range(batch, m), range(m, m + n)
    if rows is None or rows < batch:
        return tuple(range(m + n))
    return tuple(a for g in sorted(groups, key=lambda g: rows in g) for a in by_column(g, rows))


def _ordered(
    fusion: "Fusion", source: Access, rows: int | None, batch: Shape, contract: Shape
) -> Access:
    """A copy of an operand whose free and contracted axes each make one dimension.

    Free axes come last, unless it is the contracted ones that are contiguous in long runs.
    """
    layout = source.layout
    free = free_axes(len(layout.shape), contract, batch)
    last = contract[-1:]
    long = bool(last) and layout.strides[last[0]] == 1 and layout.shape[last[0]] >= LONG
    return fusion.copy(source, rows, batch + (free + contract if long else contract + free))


def _groups(
    lhs: Layout, rhs: Layout, out: Layout, params: Params, rows_of: tuple[int | None, ...]
) -> tuple[list[Dim], list[Dim], list[Dim], list[Dim]]:
    """The dimensions of the product, by what they are: batch, m, n, k; sizes over all rows."""
    a_contract, b_contract, a_batch, b_batch = params
    a_free = free_axes(len(lhs.shape), a_contract, a_batch)
    b_free = free_axes(len(rhs.shape), b_contract, b_batch)
    o, a, _ = rows_of
    nb, nm = len(a_batch), len(a_batch) + len(a_free)
    batch = [
        Dim(lhs.shape[i], lhs.strides[i], rhs.strides[j], out.strides[p], p == o and o is not None)
        for p, (i, j) in enumerate(zip(a_batch, b_batch, strict=True))
    ]
    m = [
        Dim(lhs.shape[i], lhs.strides[i], 0, out.strides[nb + p], nb + p == o and o is not None)
        for p, i in enumerate(a_free)
    ]
    n = [
        Dim(rhs.shape[j], 0, rhs.strides[j], out.strides[nm + p], nm + p == o and o is not None)
        for p, j in enumerate(b_free)
    ]
    folds = o is None and a is not None
    k = [
        Dim(lhs.shape[i], lhs.strides[i], rhs.strides[j], 0, folds and i == a)
        for i, j in zip(a_contract, b_contract, strict=True)
    ]
    return batch, m, n, k


def _merged(dims: Sequence[Dim], rows: int) -> list[Dim]:
    """`dims` with neighbours that step evenly made one, and the sizes of rows those of one row."""
    out: list[Dim] = []
    for dim in dims:
        if dim.size == 1 and not dim.rows:
            continue
        last = out[-1] if out else None
        if (
            last
            and not dim.rows
            and all(
                x == y * dim.size
                for x, y in ((last.lhs, dim.lhs), (last.rhs, dim.rhs), (last.out, dim.out))
            )
        ):
            out[-1] = Dim(last.size * dim.size, dim.lhs, dim.rhs, dim.out, last.rows)
        else:
            out.append(dim)
    return [Dim(d.size // rows, d.lhs, d.rhs, d.out, True) if d.rows else d for d in out]

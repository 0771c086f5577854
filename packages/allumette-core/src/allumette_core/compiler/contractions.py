"""Contractions: which are loops rather than products of matrices, and how the rest are laid out."""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from .. import primitives as P
from .. import shapes
from ..dtypes import float16, float32
from ..expr import Node, apply
from ..layout import Layout
from ..primitives import Params
from ..shapes import Shape
from .decompose import replay
from .program import Instruction, Program
from .schedule import Access, Contract, Dim, Store

if TYPE_CHECKING:
    from .fusion import Fusion

FEW_TERMS = 4  # products this short are added up at each point, where they fuse
FEW_COLUMNS = 2  # products with so narrow an operand are reductions, which fuse too


def expand(program: Program) -> Program:
    """`program` with narrow, integer and half-precision products written as simpler operations."""
    if not any(i.primitive is P.dot_general for i in program.instructions):
        return program
    return replay(program, _emit)


def _emit(instruction: Instruction, inputs: list[Node]) -> Node:
    if instruction.primitive is not P.dot_general:
        return apply(instruction.primitive, *inputs, params=instruction.params)
    lhs, rhs = inputs
    if lhs.dtype == float16:
        wide = [apply(P.cast, x, params=(float32,)) for x in inputs]
        return apply(P.cast, _product(wide[0], wide[1], instruction.params), params=(float16,))
    return _product(lhs, rhs, instruction.params)


def _product(lhs: Node, rhs: Node, params: Params) -> Node:
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
        return apply(P.sum_, apply(P.mul, left, right), params=(axes,))
    out = shapes.dot_general(lhs.shape, rhs.shape, *params)
    products = [
        apply(P.mul, _column(left, index), _column(right, index))
        for index in product(*(range(lhs.shape[i]) for i in a_contract))
    ]
    total = products[0]
    for term in products[1:]:
        total = apply(P.add, total, term)
    return apply(P.reshape, total, params=(out,)) if total.shape != out else total


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
    lhs, rhs = (fusion.memory(i) for i in instruction.inputs)
    out = Access(value, fusion.claim(value))
    flow = fusion.phase.flow(value)
    rows_of = (flow.out, *flow.ins) if flow else (None, None, None)
    groups = _groups(lhs.layout, rhs.layout, out.layout, instruction.params, rows_of)
    batch, m, n, k = ([*_merged(d, fusion.phase.rows)] for d in groups)
    if len(k) != 1 or not _readable(m, n, k):
        lhs, rhs, (batch, m, n, k) = _packed(fusion, value, lhs, rhs, out, instruction, groups)
    extra = m[:-1] + n[:-1]
    offsets = (lhs.layout.offset, rhs.layout.offset, out.layout.offset)
    return Contract(
        value, lhs.value, rhs.value, offsets, (*batch, *extra), _last(m), _last(n), k[0],
        fusion.phase.folds(value),
    )  # fmt: skip


def _last(dims: list[Dim]) -> Dim:
    return dims[-1] if dims else Dim(1, 0, 0, 0)


def _groups(
    lhs: Layout, rhs: Layout, out: Layout, params: Params, rows_of: tuple[int | None, ...]
) -> tuple[list[Dim], list[Dim], list[Dim], list[Dim]]:
    """The dimensions of the product, by what they are: batch, m, n, k; sizes over all rows."""
    a_contract, b_contract, a_batch, b_batch = params
    a_free = free_axes(len(lhs.shape), a_contract, a_batch)
    b_free = free_axes(len(rhs.shape), b_contract, b_batch)
    o, a, b = rows_of
    nb, nm = len(a_batch), len(a_batch) + len(a_free)
    batch = [
        Dim(lhs.shape[i], lhs.strides[i], rhs.strides[j], out.strides[p], p == o and o is not None)
        for p, (i, j) in enumerate(zip(a_batch, b_batch, strict=True))
    ]
    m = [Dim(lhs.shape[i], lhs.strides[i], 0, out.strides[nb + p], nb + p == o and o is not None) for p, i in enumerate(a_free)]
    n = [Dim(rhs.shape[j], 0, rhs.strides[j], out.strides[nm + p], nm + p == o and o is not None) for p, j in enumerate(b_free)]
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
        if last and not dim.rows and all(
            x == y * dim.size
            for x, y in ((last.lhs, dim.lhs), (last.rhs, dim.rhs), (last.out, dim.out))
        ):
            out[-1] = Dim(last.size * dim.size, dim.lhs, dim.rhs, dim.out, last.rows)
        else:
            out.append(dim)
    return [Dim(d.size // rows, d.lhs, d.rhs, d.out, True) if d.rows else d for d in out]


def _readable(m: list[Dim], n: list[Dim], k: list[Dim]) -> bool:
    """Whether BLAS can read both operands and write the result: rows or columns are contiguous."""
    a, b, c = _last(m), _last(n), k[0]
    return (
        (a.lhs == 1 or c.lhs == 1)
        and (b.rhs == 1 or c.rhs == 1)
        and (a.out == 1 or b.out == 1 or a.size == 1 or b.size == 1)
    )

"""Products that are better written as sums: narrow, short, integer and half-precision ones."""

from itertools import product
from math import prod

from allumette_core import primitives as P
from allumette_core import shapes
from allumette_core.compiler.program import Instruction
from allumette_core.dtypes import float16, float32
from allumette_core.expr import Node, apply
from allumette_core.primitives import Params
from allumette_core.shapes import Shape

FEW_TERMS = 4  # products this short are added up at each point, where they fuse
FEW_COLUMNS = 2  # products with so narrow an operand are reductions, which fuse too


def free_axes(rank: int, contract: Shape, batch: Shape) -> Shape:
    """The axes of an operand that are neither contracted nor batch."""
    return tuple(i for i in range(rank) if i not in contract and i not in batch)


def simplified(instruction: Instruction, inputs: list[Node]) -> Node:
    """The product of `inputs`, as a matrix product only where that is best."""
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

"""Reductions by halving, scans by doubling, sorting by where things go."""

from collections.abc import Callable
from math import prod

from .. import expr
from .. import functions as F
from .. import primitives as P
from ..dtypes import DEFAULT_INT, int64
from ..primitives import Primitive
from ..shapes import Shape, reduce
from ..tensor import Tensor
from .moving import _take

Operation = Callable[[Tensor, Tensor], Tensor]


def _wide(x: Tensor) -> Tensor:
    """float16 in float32, in which it is summed and multiplied up."""
    return F.astype(x, "float32") if x.dtype.name == "float16" else x


def _together(x: Tensor, axes: Shape) -> Tensor:
    """`x` with `axes` merged into one, in front."""
    moved = F.moveaxis(x, axes, range(len(axes)))
    return F.reshape(moved, (prod(moved.shape[: len(axes)]), *moved.shape[len(axes) :]))


def _by_halving(operation: Operation, empty: float | None = None) -> Callable[..., Tensor]:
    """A reduction that pairs the first half of the elements with the second, again and again."""

    def reduction(x: Tensor, axes: Shape) -> Tensor:
        shape, dtype = reduce(x.shape, axes), x.dtype
        rows = _together(x if empty is None else _wide(x), axes)
        if rows.shape[0] == 0 and empty is not None:
            return F.full(shape, empty, dtype)
        while rows.shape[0] > 1:
            half = rows.shape[0] // 2
            first, second, rest = F.split(rows, [half, 2 * half], 0)
            rows = operation(first, second)
            rows = F.concat([rows, rest], 0) if rest.shape[0] else rows
        return F.astype(F.reshape(rows, shape), dtype)

    return reduction


def _by_doubling(operation: Operation, wide: bool = False) -> Callable[..., Tensor]:
    """A scan after Hillis and Steele: each step joins twice as many elements as the one before."""

    def scan(x: Tensor, axis: int) -> Tensor:
        out, reach = _wide(x) if wide else x, 1
        while reach < x.shape[axis]:
            done, later = F.split(out, [reach], axis)
            earlier = F.split(out, [x.shape[axis] - reach], axis)[0]
            out = F.concat([done, operation(earlier, later)], axis)
            reach *= 2
        return F.astype(out, x.dtype)

    return scan


def _position_of(extreme: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The first place of the extreme; it is NaN if anything is, and then the first NaN's place."""

    def position(x: Tensor, axes: Shape) -> Tensor:
        (axis,) = axes
        size = x.shape[axis]
        places = F.reshape(F.arange(size, dtype=DEFAULT_INT), (size, *(1,) * (x.ndim - axis - 1)))
        hit = (x == extreme(x, axis, keepdims=True)) | (x != x)
        return F.min(F.where(hit, places, size), axis)

    return position


def _sort(x: Tensor, axis: int) -> Tensor:
    """Each row read in the order of its argsort, all rows as one long one."""
    order = Tensor(expr.apply(P.argsort, x._node, params=(axis,)))
    rows, values = F.moveaxis(order, axis, -1), F.moveaxis(x, axis, -1)
    if x.size == 0:
        return x
    dtype = DEFAULT_INT if x.size < 2**31 else int64
    first = F.arange(0, x.size, x.shape[axis], dtype=dtype)
    indices = F.astype(rows, dtype) + F.reshape(first, (*rows.shape[:-1], 1))
    return F.moveaxis(_take(F.reshape(values, (-1,)), indices, 0), -1, axis)


TABLE: dict[Primitive, Callable[..., Tensor]] = {
    P.sum_: _by_halving(F.add, 0),
    P.prod: _by_halving(F.multiply, 1),
    P.max_: _by_halving(F.maximum),
    P.min_: _by_halving(F.minimum),
    P.argmax: _position_of(F.max),
    P.argmin: _position_of(F.min),
    P.cumsum: _by_doubling(F.add, wide=True),
    P.cumprod: _by_doubling(F.multiply, wide=True),
    P.cummax: _by_doubling(F.maximum),
    P.cummin: _by_doubling(F.minimum),
    P.sort: _sort,
}

"""What moves elements, from slices, concatenation, gathering and adding."""

from collections.abc import Callable

from .. import expr
from .. import functions as F
from .. import primitives as P
from ..dtypes import DEFAULT_INT
from ..primitives import Primitive
from ..shapes import Shape
from ..tensor import Tensor


def _take(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    return Tensor(expr.apply(P.gather, x._node, indices._node, params=(axis,)))


def _flip(x: Tensor, axes: Shape) -> Tensor:
    for axis in axes:
        if x.shape[axis]:
            last = x.shape[axis] - 1
            x = _take(x, last - F.arange(last + 1, dtype=DEFAULT_INT), axis)
    return x


def _broadcast(x: Tensor, shape: Shape) -> Tensor:
    """An axis of size 1 is read at 0 as often as it has to be."""
    x = F.reshape(x, (1,) * (len(shape) - x.ndim) + x.shape)
    for axis, size in enumerate(shape):
        if x.shape[axis] != size:
            x = _take(x, F.zeros(size, DEFAULT_INT), axis)
    return x


def _windows(x: Tensor, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape) -> Tensor:
    for axis, size, stride, dilation in zip(axes, sizes, strides, dilations, strict=True):
        count = (x.shape[axis] - (size - 1) * dilation - 1) // stride + 1
        starts = F.reshape(F.arange(count, dtype=DEFAULT_INT) * stride, (count, 1))
        within = F.arange(size, dtype=DEFAULT_INT) * dilation
        x = F.moveaxis(_take(x, starts + within, axis), axis + 1, -1)
    return x


def _pad_axis(x: Tensor, value: Tensor, axis: int, lo: int, hi: int, interior: int) -> Tensor:
    """Padding along one axis: joined with what goes between, before and after."""
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if interior and size > 1:
        between = F.broadcast_to(value, (*before, size, interior, *after))
        x = F.concat([F.expand_dims(x, axis + 1), between], axis + 1)
        x = F.reshape(x, (*before, size * (interior + 1), *after))
        x = F.split(x, [size + (size - 1) * interior], axis)[0]
    ends = [F.broadcast_to(value, (*before, n, *after)) for n in (lo, hi)]
    return F.concat([ends[0], x, ends[1]], axis) if lo or hi else x


def _pad(x: Tensor, value: Tensor, lo: Shape, hi: Shape, interior: Shape) -> Tensor:
    for axis in range(x.ndim):
        x = _pad_axis(x, value, axis, lo[axis], hi[axis], interior[axis])
    return x


def _fold(
    x: Tensor,
    axes: Shape,
    sizes: Shape,  # known from the shape of x
    strides: Shape,
    dilations: Shape,
    shape: Shape,
) -> Tensor:
    """Axis by axis, the last window axis first: each of its elements is spread out and added."""
    dtype = x.dtype
    x = F.astype(x, "float32") if dtype.name == "float16" else x
    for axis, stride, dilation in reversed([*zip(axes, strides, dilations, strict=True)]):
        total = None
        for at, part in enumerate(F.unstack(x, -1)):
            spread = (part.shape[axis] - 1) * stride + 1
            lo = at * dilation
            widths = [(0,) * part.ndim] * 3
            own = (lo, shape[axis] - lo - spread, stride - 1)
            params = tuple((*w[:axis], n, *w[axis + 1 :]) for w, n in zip(widths, own, strict=True))
            zero = expr.literal(0, part.dtype)
            term = Tensor(expr.apply(P.pad, part._node, zero, params=params))
            total = term if total is None else total + term
        assert total is not None  # a window has at least one element
        x = total
    return F.astype(x, dtype)


TABLE: dict[Primitive, Callable[..., Tensor]] = {
    P.flip: _flip,
    P.broadcast: _broadcast,
    P.windows: _windows,
    P.pad: _pad,
    P.fold: _fold,
}

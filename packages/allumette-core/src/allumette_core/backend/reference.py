"""The NumPy reference: what every primitive means. Device `numpy`; the oracle of all backends."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .. import primitives as P
from .. import shapes
from ..compiler.program import Program
from ..dtypes import DEFAULT_INT, DType, cast_array
from ..primitives import Primitive
from ..shapes import Shape
from ..threefry import threefry
from .blas import one_thread
from .ops import Kernel, OpBackend
from .spec import BackendInfo, Capabilities, Executable

Array = NDArray[Any]


def _wide(x: Array) -> DType:
    """The dtype to accumulate in: float16 adds up in float32, everything else in its own."""
    return np.dtype("float32") if x.dtype == np.float16 else x.dtype


# ---- elementwise -------------------------------------------------------------------------------

_erf_of = np.frompyfunc(math.erf, 1, 1)


def _erf(x: Array) -> Array:
    return np.asarray(_erf_of(x)).astype(x.dtype)


def _logistic(x: Array) -> Array:
    wide = x.astype(_wide(x), copy=False)
    small = np.exp(-np.abs(wide))  # never overflows, so that large negative x keep their digits
    return np.asarray(np.where(wide < 0, small, 1) / (1 + small)).astype(x.dtype, copy=False)


def _pow(x: Array, y: Array) -> Array:
    if x.dtype.kind != "i":
        return np.power(x, y)
    # NumPy refuses negative integer exponents; the exact result rounds towards zero.
    inverse = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0))
    return np.where(y < 0, inverse, np.power(x, np.maximum(y, 0))).astype(x.dtype)


def _where(condition: Array, a: Array, b: Array) -> Array:
    return np.where(condition, a, b)


# ---- moving data -------------------------------------------------------------------------------


def _slice(x: Array, starts: Shape, stops: Shape, steps: Shape) -> Array:
    return x[tuple(slice(*bounds) for bounds in zip(starts, stops, steps, strict=True))]


def _pad(x: Array, value: Array, lo: Shape, hi: Shape, interior: Shape) -> Array:
    out = np.full(shapes.pad(x.shape, lo, hi, interior), value, x.dtype)
    steps = tuple(inner + 1 for inner in interior)
    stops = tuple(
        low + max(size - 1, 0) * step + (size > 0)
        for low, size, step in zip(lo, x.shape, steps, strict=True)
    )
    out[tuple(slice(*bounds) for bounds in zip(lo, stops, steps, strict=True))] = x
    return out


def _windows(x: Array, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape) -> Array:
    spans = tuple((size - 1) * d + 1 for size, d in zip(sizes, dilations, strict=True))
    view = sliding_window_view(x, spans, axes)
    index = [slice(None)] * view.ndim
    for i, axis in enumerate(axes):
        index[axis] = slice(None, None, strides[i])
        index[x.ndim + i] = slice(None, None, dilations[i])
    return view[tuple(index)]


def _fold(
    x: Array, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape, shape: Shape
) -> Array:
    out = np.zeros(shape, _wide(x))
    for element in product(*map(range, sizes)):
        index: list[Any] = [slice(None)] * len(shape)
        for axis, at, stride, dilation in zip(axes, element, strides, dilations, strict=True):
            start = at * dilation
            index[axis] = slice(start, start + (x.shape[axis] - 1) * stride + 1, stride)
        window: tuple[Any, ...] = (..., *element)
        out[tuple(index)] += x[window]
    return out.astype(x.dtype, copy=False)


# ---- reductions and scans ----------------------------------------------------------------------

_BLOCK = 8  # rows added one after another, before pairs of sums are: bounds rounding errors


def _over_windows(ufunc: np.ufunc, otherwise: Kernel) -> Kernel:
    """A reduction that takes the elements of small windows one after another from all of them."""

    def over_windows(x: Array, axes: Shape) -> Array:
        first = x.ndim - len(axes)
        sizes = x.shape[first:]
        few = bool(axes) and axes[0] == first and x.shape[-1] <= 8 and 0 < math.prod(sizes) <= 36
        if not few or x.size < 4096:
            return otherwise(x, axes)  # type: ignore[no-any-return]
        wide = _wide(x)
        places: Any = product((...,), *map(range, sizes))
        out: Array = reduce(ufunc, (x[place].astype(wide, copy=False) for place in places))
        return out.astype(x.dtype, copy=False)

    return over_windows


def _sum(x: Array, axes: Shape) -> Array:
    dtype, wide = x.dtype, _wide(x)
    if dtype.kind == "f":
        # NumPy adds in pairs along the last axis only, where its elements are neighbours.
        apart = [i for i in axes if i < x.ndim - 1 or x.strides[i] != x.itemsize]
        for axis in apart if x.ndim > 1 else ():
            x = _halved(x, axis, wide)
    out: Array = np.sum(x, axis=axes, dtype=wide)
    return out.astype(dtype, copy=False)


def _halved(x: Array, axis: int, wide: DType) -> Array:
    """Partial sums of `x` along `axis`, at most `_BLOCK`: blocks are added up, then pairs."""
    x = np.moveaxis(x, axis, 0)
    if len(x) > _BLOCK**2:
        whole = len(x) // _BLOCK * _BLOCK
        blocks = x[:whole].reshape(-1, _BLOCK, *x.shape[1:]).sum(axis=1, dtype=wide)
        x = np.concatenate([blocks, x[whole:].sum(axis=0, dtype=wide, keepdims=True)])
    while len(x) > _BLOCK:
        half = len(x) // 2
        pairs = np.add(x[:half], x[half : 2 * half], dtype=wide)
        x = np.concatenate([pairs, x[2 * half :]]) if len(x) % 2 else pairs
    return np.moveaxis(x, 0, axis)


def _prod(x: Array, axes: Shape) -> Array:
    out: Array = np.prod(x, axis=axes, dtype=_wide(x))
    return out.astype(x.dtype)


def _arg(function: Callable[..., Any]) -> Kernel:
    return lambda x, axes: np.asarray(function(x, axis=axes[0])).astype(DEFAULT_INT)


def _cumulate(ufunc: np.ufunc) -> Kernel:
    return lambda x, axis: ufunc.accumulate(x, axis=axis, dtype=_wide(x)).astype(
        x.dtype, copy=False
    )


# ---- contraction, indexing, creation -----------------------------------------------------------


def _inner_axis(x: Array, axes: Shape) -> int:
    """The axis of `axes` along which neighbours lie closest in memory, the longest of several."""
    return min(axes, key=lambda i: (abs(x.strides[i]) or math.inf, -x.shape[i]), default=-1)


def _matrices(x: Array, batch: Shape, rows: Shape, columns: Shape) -> Array:
    """`x` as matrices; where elements have to be copied, neighbours in memory stay neighbours."""
    if len(rows) == len(columns) == 1:
        return x.transpose(batch + rows + columns)
    lead = [x.shape[i] for i in batch]
    height = math.prod([x.shape[i] for i in rows])
    if _inner_axis(x, rows + columns) in rows:
        return x.transpose(batch + columns + rows).reshape(*lead, -1, height).swapaxes(-1, -2)
    return x.transpose(batch + rows + columns).reshape(*lead, height, -1)


def _dot_general(
    a: Array, b: Array, a_contract: Shape, b_contract: Shape, a_batch: Shape, b_batch: Shape
) -> Array:
    """One matmul of (batch, rows, contracted) by (batch, contracted, columns)."""
    shape = shapes.dot_general(a.shape, b.shape, a_contract, b_contract, a_batch, b_batch)
    if a.size == 0 or b.size == 0:
        return np.zeros(shape, a.dtype)
    a_free = tuple([i for i in range(a.ndim) if i not in a_contract and i not in a_batch])
    b_free = tuple([i for i in range(b.ndim) if i not in b_contract and i not in b_batch])
    wide = _wide(a)
    left = _matrices(a, a_batch, a_free, a_contract).astype(wide, copy=False)
    right = _matrices(b, b_batch, b_contract, b_free).astype(wide, copy=False)
    if len(a_free) > 1 and _inner_axis(a, a_free + a_contract) in a_free:
        # The rows of the result are neighbours in `a` and stay so: fold then runs along them.
        n, cut = len(a_batch), len(a_batch) + len(a_free)
        flipped = np.matmul(right.swapaxes(-1, -2), left.swapaxes(-1, -2))
        flipped = flipped.reshape(*shape[:n], *shape[cut:], *shape[n:cut])
        columns = range(n, n + len(b_free))
        axes = (*range(n), *range(n + len(b_free), len(shape)), *columns)
        moved: Array = flipped.transpose(axes)
        return moved.astype(a.dtype, copy=False)
    product_: Array = np.matmul(left, right)
    return product_.reshape(shape).astype(a.dtype, copy=False)


def _gather(x: Array, indices: Array, axis: int) -> Array:
    if 0 in indices.shape:
        return np.zeros(x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype)
    return np.take(x, indices, axis=axis, mode="clip")


def _scatter(x: Array, indices: Array, updates: Array, axis: int, mode: str) -> Array:
    out = np.moveaxis(np.array(x, dtype=_wide(x)), axis, 0)
    flat = np.asarray(indices).reshape(-1)
    rest = out.shape[1:]
    order = (
        *range(axis, axis + indices.ndim),
        *range(axis),
        *range(axis + indices.ndim, x.ndim - 1 + indices.ndim),
    )
    rows = updates.transpose(order).reshape(flat.shape + rest)
    inside = (flat >= 0) & (flat < x.shape[axis])
    if not inside.all():
        flat, rows = flat[inside], rows[inside]
    if mode == "add":
        _add_rows(out, flat, rows)
    else:
        out[flat] = rows
    return np.moveaxis(out, 0, axis).astype(x.dtype, copy=False)


def _add_rows(out: Array, indices: Array, rows: Array) -> None:
    """Add each of `rows` where its index says; equal indices all count."""
    if rows.ndim == 1 or len(indices) < 64:
        np.add.at(out, indices, rows)
        return
    # Rows of one index are brought together and added up first: add.at is slow for rows.
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))
    out[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)


_WORDS = 1 << 16  # made at a time, so that they stay in cache


def _random_bits(key: Array, shape: Shape, dtype: DType) -> Array:
    out = np.empty(math.prod(shape), dtype)
    for start in range(0, out.size, _WORDS):
        counter = np.arange(start, min(start + _WORDS, out.size), dtype=np.uint64)
        high, low = (counter >> 32).astype(np.uint32), counter.astype(np.uint32)
        a, b = threefry(key[:1], key[1:], high, low)
        wide = (a.astype(np.uint64) << 32) | b if dtype == np.uint64 else a ^ b
        out[start : start + _WORDS] = wide
    return out.reshape(shape)


KERNELS: Mapping[Primitive, Kernel] = {
    P.neg: np.negative, P.abs_: np.absolute, P.sign: np.sign, P.floor: np.floor, P.ceil: np.ceil,
    P.round_: np.rint, P.sqrt: np.sqrt, P.exp: np.exp, P.expm1: np.expm1, P.log: np.log,
    P.log1p: np.log1p, P.sin: np.sin, P.cos: np.cos, P.tan: np.tan, P.asin: np.arcsin,
    P.acos: np.arccos, P.atan: np.arctan, P.sinh: np.sinh, P.cosh: np.cosh, P.tanh: np.tanh,
    P.asinh: np.arcsinh, P.acosh: np.arccosh, P.atanh: np.arctanh, P.erf: _erf,
    P.logistic: _logistic, P.invert: np.invert,
    P.add: np.add, P.sub: np.subtract, P.mul: np.multiply, P.div: np.divide,
    P.floordiv: np.floor_divide, P.mod: np.remainder, P.pow_: _pow, P.atan2: np.arctan2,
    P.maximum: np.maximum, P.minimum: np.minimum, P.bit_and: np.bitwise_and,
    P.bit_or: np.bitwise_or, P.bit_xor: np.bitwise_xor, P.shift_left: np.left_shift,
    P.shift_right: np.right_shift, P.eq: np.equal, P.ne: np.not_equal, P.lt: np.less,
    P.le: np.less_equal, P.where: _where, P.cast: cast_array,
    P.bitcast: lambda x, dtype: x.view(dtype), P.alias: lambda x, tag: x,
    P.reshape: lambda x, shape: x.reshape(shape), P.permute: lambda x, axes: x.transpose(axes),
    P.broadcast: np.broadcast_to, P.slice_: _slice, P.flip: np.flip, P.windows: _windows,
    P.fold: _fold, P.pad: _pad, P.concat: lambda *xs: np.concatenate(xs[:-1], axis=xs[-1]),
    P.sum_: _over_windows(np.add, _sum), P.prod: _prod,
    P.max_: _over_windows(np.maximum, lambda x, axes: np.max(x, axis=axes)),
    P.min_: _over_windows(np.minimum, lambda x, axes: np.min(x, axis=axes)),
    P.argmax: _arg(np.argmax), P.argmin: _arg(np.argmin), P.cumsum: _cumulate(np.add),
    P.cumprod: _cumulate(np.multiply), P.cummax: _cumulate(np.maximum),
    P.cummin: _cumulate(np.minimum), P.sort: lambda x, axis: np.sort(x, axis=axis, kind="stable"),
    P.argsort: lambda x, axis: np.argsort(x, axis=axis, kind="stable").astype(DEFAULT_INT),
    P.dot_general: _dot_general, P.gather: _gather, P.scatter: _scatter, P.full: np.full,
    P.iota: lambda size, dtype: np.arange(size).astype(dtype), P.random_bits: _random_bits,
}  # fmt: skip


class NumpyBackend(OpBackend):
    """The reference backend: NumPy, one primitive at a time, in the order of the program."""

    info = BackendInfo(
        name="numpy", summary="NumPy reference, the oracle", capabilities=Capabilities()
    )

    @property
    def kernels(self) -> Mapping[Primitive, Kernel]:
        return KERNELS

    def devices(self) -> Sequence[str]:
        return ("numpy",)

    def from_host(self, array: Array, device: str) -> Array:
        return np.array(array)

    def to_host(self, buffer: Any) -> Array:
        return np.asarray(buffer)

    def compile(self, program: Program, device: str) -> Executable:
        run = super().compile(program, device)
        products = any(i.primitive is P.dot_general for i in program.instructions)

        def quietly(buffers: Sequence[Array]) -> list[Array]:
            with np.errstate(all="ignore"):
                return run(buffers)

        def on_one_thread(buffers: Sequence[Array]) -> list[Array]:
            with one_thread:
                return quietly(buffers)

        return on_one_thread if products else quietly

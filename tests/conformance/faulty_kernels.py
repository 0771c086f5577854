"""Faults of single kernels, each as people really make them: primitive, name, and the wrong kernel.

A wrong kernel takes the right one first, then what the right one takes.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Wrong = Callable[..., Any]


def _fewer(keep: Callable[[int], int]) -> Wrong:
    """Reduces only the first `keep(n)` elements of the first reduced axis."""

    def wrong(right: Wrong, x: Array, axes: Any) -> Any:
        if not axes or not x.shape[axes[0]]:
            return right(x, axes)
        return right(np.take(x, range(keep(x.shape[axes[0]])), axis=axes[0]), axes)

    return wrong


def _if_float(change: Callable[..., Any]) -> Wrong:
    """Integers come out right."""

    def wrong(right: Wrong, x: Array, *rest: Any) -> Any:
        if x.dtype.kind != "f":
            return right(x, *rest)
        return np.asarray(change(x, *rest)).astype(x.dtype)

    return wrong


def _after(change: Callable[..., Any]) -> Wrong:
    """`change(result, *operands)`, in the dtype of the result."""

    def wrong(right: Wrong, *given: Any) -> Any:
        made = np.asarray(right(*given))
        return np.asarray(change(made, *given)).astype(made.dtype)

    return wrong


def _only(when: Callable[..., bool], change: Wrong) -> Wrong:
    """`change` where `when` holds for the operands, else right."""

    def wrong(right: Wrong, *given: Any) -> Any:
        return change(right, *given) if when(*given) else right(*given)

    return wrong


def _low(x: Array, bits: int) -> Array:
    """float32 with fewer bits of mantissa, as tensor cores have."""
    mask = np.uint32((0xFFFFFFFF << bits) & 0xFFFFFFFF)
    return (np.ascontiguousarray(x).view(np.uint32) & mask).view(np.float32).reshape(x.shape)


def _is_f32(x: Array, *rest: Any) -> bool:
    return bool(x.dtype == np.float32)


def _is(kind: str) -> Callable[..., bool]:
    return lambda x, *rest: x.dtype.kind == kind


def _square_rows(right: Wrong, a: Array, b: Array) -> Any:
    """A row is added to a square matrix as a column."""
    if a.ndim == 2 and b.ndim == 1 and a.shape[0] == a.shape[1] == b.shape[0]:
        return right(a, b[:, None])
    return right(a, b)


def _erf(x: Array) -> Array:
    """Abramowitz and Stegun 7.1.26, good to 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return np.sign(x) * (1 - poly * np.exp(-x * x))


def _lost_carry(right: Wrong, x: Array, axis: int) -> Any:
    """Blocks of 1,024 are scanned on their own."""
    cuts = range(1024, x.shape[axis], 1024)
    return np.concatenate([right(part, axis) for part in np.split(x, cuts, axis)], axis)


def _first_batch(right: Wrong, a: Array, b: Array, ac: Any, bc: Any, ab: Any, bb: Any) -> Any:
    """Every batch is multiplied by the first of b."""
    if bb and b.shape[bb[0]] > 1:
        b = np.repeat(np.take(b, [0], bb[0]), b.shape[bb[0]], bb[0])
    return right(a, b, ac, bc, ab, bb)


def _short_dot(right: Wrong, a: Array, b: Array, ac: Any, bc: Any, *batch: Any) -> Any:
    """Loses what is left after whole tiles of 32."""
    if len(ac) == 1 and a.shape[ac[0]] > 32:
        whole = range(a.shape[ac[0]] // 32 * 32)
        a, b = np.take(a, whole, ac[0]), np.take(b, whole, bc[0])
    return right(a, b, ac, bc, *batch)


def _narrow_dot(right: Wrong, a: Array, b: Array, ac: Any, bc: Any, *batch: Any) -> Any:
    """Adds up in float16."""
    if a.dtype != np.float16 or len(ac) != 1 or not a.shape[ac[0]]:
        return right(a, b, ac, bc, *batch)
    out: Any = 0
    for k in range(a.shape[ac[0]]):
        out = (out + right(np.take(a, [k], ac[0]), np.take(b, [k], bc[0]), ac, bc, *batch)).astype(np.float16)
    return out


def _race(right: Wrong, x: Array, i: Array, updates: Array, axis: int, mode: str) -> Any:
    """Of updates of one element, the last is the only one added."""
    if mode != "add" or axis or i.ndim != 1:
        return right(x, i, updates, axis, mode)
    out = np.array(x)
    inside = (i >= 0) & (i < x.shape[0])
    out[i[inside]] = x[i[inside]] + updates[inside]
    return out


def _clamped_scatter(right: Wrong, x: Array, i: Array, updates: Array, axis: int, mode: str) -> Any:
    return right(x, np.clip(i, 0, x.shape[axis] - 1).astype(i.dtype), updates, axis, mode)


def _bits_in_blocks(size: int) -> Wrong:
    """Every block has the same random numbers."""

    def wrong(right: Wrong, key: Array, shape: Any, dtype: Any) -> Any:
        return np.resize(right(key, (min(size, math.prod(shape)),), dtype), shape)

    return wrong


def _swapped_words(right: Wrong, key: Array, shape: Any, dtype: Any) -> Any:
    made = right(key, shape, dtype)
    return (made << 32 | made >> 32) if dtype.itemsize == 8 else made


def _wide_range(right: Wrong, x: Array, dtype: Any) -> Any:
    """Wraps, and makes of NaN what the machine makes of it."""
    return right(x, dtype) if dtype.kind == "f" else np.asarray(x).astype(dtype)


def _nearest(right: Wrong, x: Array, dtype: Any) -> Any:
    return right(np.rint(x) if x.dtype.kind == "f" and dtype.kind in "iu" else x, dtype)


def _twice_rounded(right: Wrong, x: Array, dtype: Any) -> Any:
    return right(x.astype("float32") if x.dtype == np.float64 and dtype == np.float16 else x, dtype)


def _truth_of_integer(right: Wrong, x: Array, dtype: Any) -> Any:
    return right(np.trunc(x) if dtype.kind == "b" and x.dtype.kind == "f" else x, dtype)


FAULTS: tuple[tuple[str, str, Wrong], ...] = (
    ("le", "is lt, so that relu'(0) = 1", lambda r, a, b: np.less(a, b)),
    ("lt", "is true for NaN", lambda r, a, b: ~np.greater_equal(a, b)),
    ("eq", "finds NaN equal to NaN", lambda r, a, b: r(a, b) | ((a != a) & (b != b))),
    ("ne", "compares bits, so -0.0 != 0.0", _only(_is("f"), lambda r, a, b: r(a, b) | (np.signbit(a) != np.signbit(b)))),
    ("max", "loses NaN", _if_float(lambda x, axes: np.fmax.reduce(x, axis=axes))),
    ("min", "leaves out the last element", _fewer(lambda n: max(1, n - 1))),
    ("maximum", "loses NaN", lambda r, a, b: np.fmax(a, b)),
    ("minimum", "takes the second operand if either is NaN", lambda r, a, b: np.where(a < b, a, b)),
    ("sum", "leaves out the last, incomplete block", _fewer(lambda n: n if n < 128 else n // 128 * 128)),
    ("sum", "adds float16 up in float16", _only(lambda x, axes: x.dtype == np.float16 and len(axes) == 1, lambda r, x, axes: np.add.accumulate(x, axis=axes[0], dtype=np.float16).take(-1, axes[0]) if x.shape[axes[0]] else r(x, axes))),
    ("sum", "adds one after another", _only(lambda x, axes: x.dtype == np.float32 and len(axes) == 1, lambda r, x, axes: np.add.accumulate(x, axis=axes[0], dtype=np.float32).take(-1, axes[0]) if x.shape[axes[0]] else r(x, axes))),
    ("sum", "of nothing is not 0", _only(lambda x, axes: x.size == 0, lambda r, x, axes: r(x, axes) + 1)),
    ("sum", "saturates small integers", _only(lambda x, axes: x.dtype == np.int8, lambda r, x, axes: np.clip(np.sum(x, axis=axes, dtype=np.int64), -128, 127).astype(np.int8))),
    ("prod", "of nothing is 0", _only(lambda x, axes: x.size == 0, lambda r, x, axes: r(x, axes) * 0)),
    ("prod", "skips zeros", _if_float(lambda x, axes: np.prod(np.where(x == 0, 1, x), axis=axes))),
    ("argmax", "gives int64", lambda r, x, axes: r(x, axes).astype(np.int64)),
    ("argmax", "gives the last of equals", lambda r, x, axes: (x.shape[axes[0]] - 1 - np.argmax(np.flip(x, axes), axis=axes[0])).astype(np.int32)),
    ("argmin", "passes over NaN", _only(_is("f"), lambda r, x, axes: r(np.where(np.isnan(x), np.inf, x), axes))),
    ("sort", "puts NaN first", _only(_is("f"), lambda r, x, axis: -np.flip(np.sort(-x, axis=axis), axis))),
    ("sort", "treats unsigned integers as signed", _only(_is("u"), lambda r, x, axis: r(x.view(f"i{x.dtype.itemsize}"), axis).view(x.dtype))),
    ("argsort", "is not stable", lambda r, x, axis: (x.shape[axis] - 1 - np.flip(r(np.flip(np.flip(x, axis), ()), axis), ())).astype(np.int32) if x.ndim else r(x, axis)),
    ("add", "saturates int8", _only(lambda a, b: a.dtype == np.int8, lambda r, a, b: np.clip(a.astype(int) + b, -128, 127).astype(np.int8))),
    ("add", "broadcasts a row along the wrong axis of a square", _square_rows),
    ("add", "is wrong above 65,535 elements", _after(lambda out, a, b: out if out.size <= 65535 else np.where(np.arange(out.size).reshape(out.shape) < 65535, out, 0))),
    ("add", "is wrong above 2**24 elements", _after(lambda out, a, b: out if out.size <= 2**24 else np.where(np.arange(out.size).reshape(out.shape) < 2**24, out, 0))),
    ("sub", "swaps its operands when the first is a scalar", lambda r, a, b: r(b, a) if a.ndim == 0 and b.ndim else r(a, b)),
    ("mul", "multiplies int64 as float64", _only(lambda a, b: a.dtype == np.int64, lambda r, a, b: (a.astype(np.float64) * b).astype(np.int64))),
    ("mul", "is 0 where one factor is 0, whatever the other", _after(lambda out, a, b: np.where((a == 0) | (b == 0), 0, out))),
    ("div", "uses a 12-bit reciprocal", _only(_is_f32, lambda r, a, b: a * _low(1 / b, 12))),
    ("neg", "loses the sign of zero", lambda r, x: 0 - x),
    ("neg", "is wrong for more than five axes", _only(lambda x: x.ndim > 5, lambda r, x: x)),
    ("abs", "saturates at the lowest integer", _only(_is("i"), lambda r, x: np.where(x == np.iinfo(x.dtype).min, np.iinfo(x.dtype).max, r(x)))),
    ("sign", "of NaN is 0", _if_float(lambda x: np.where(np.isnan(x), 0, np.sign(x)))),
    ("round", "rounds halves away from zero", lambda r, x: np.trunc(x + np.copysign(x.dtype.type(0.5), x))),
    ("floor", "truncates", lambda r, x: np.trunc(x)),
    ("ceil", "loses the sign of zero", lambda r, x: r(x) + 0),
    ("sqrt", "of negative numbers is 0", lambda r, x: r(np.maximum(x, 0))),
    ("exp", "overflows too early", _only(_is_f32, lambda r, x: np.where(x > 88, np.float32(np.inf), r(x)))),
    ("exp", "flushes subnormal results", _after(lambda out, x: np.where(out < np.finfo(out.dtype).tiny, 0, out))),
    ("exp", "computes float64 in float32", lambda r, x: r(x.astype(np.float32)).astype(x.dtype)),
    ("expm1", "is exp minus 1", lambda r, x: np.exp(x) - 1),
    ("log", "of 0 is the lowest number", _after(lambda out, x: np.where(x == 0, np.finfo(out.dtype).min, out))),
    ("log1p", "is log of 1 plus x", lambda r, x: np.log(1 + x)),
    ("sin", "reduces angles in working precision", _only(_is_f32, lambda r, x: r(x - np.float32(2 * np.pi) * np.rint(x / np.float32(2 * np.pi))))),
    ("tanh", "overflows to NaN", lambda r, x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
    ("atan2", "loses the sign of zero", lambda r, a, b: r(a + 0, b + 0)),
    ("asinh", "cancels for negative numbers", lambda r, x: np.log(x + np.sqrt(x * x + 1))),
    ("erf", "is good to 1.5e-7", _if_float(_erf)),
    ("logistic", "underflows to 0", _if_float(lambda x: 1 / (1 + np.exp(-x)))),
    ("mod", "has the dividend's sign", lambda r, a, b: np.fmod(a, b)),
    ("floordiv", "truncates integers", _only(_is("i"), lambda r, a, b: (r(np.abs(a.astype(np.int64)), np.maximum(np.abs(b.astype(np.int64)), 1)) * np.sign(a) * np.sign(b)).astype(a.dtype))),
    ("floordiv", "of an integer by 0 is -1", _only(_is("i"), lambda r, a, b: np.where(b == 0, -1, r(a, b)).astype(a.dtype))),
    ("pow", "0 ** 0 is NaN", _if_float(lambda a, b: np.where((a == 0) & (b == 0), np.nan, np.power(a, b)))),
    ("shift_left", "takes the count modulo the width", lambda r, a, b: r(a, b % (a.dtype.itemsize * 8))),
    ("shift_right", "fills in zeros", _only(_is("i"), lambda r, a, b: r(a.view(f"u{a.dtype.itemsize}"), b.astype(f"u{a.dtype.itemsize}")).view(a.dtype))),
    ("where", "blends, so NaN gets through", _only(lambda c, a, b: a.dtype.kind == "f", lambda r, c, a, b: (c * a + (1 - c.astype(a.dtype)) * b).astype(a.dtype))),
    ("cast", "wraps what does not fit", _wide_range),
    ("cast", "rounds to the nearest integer", _nearest),
    ("cast", "rounds float64 to float16 twice", _twice_rounded),
    ("cast", "of 0.5 to bool is false", _truth_of_integer),
    ("bitcast", "converts the value", lambda r, x, dtype: x.astype(dtype)),
    ("concat", "swaps two parts along later axes", lambda r, *g: r(*g[-2::-1], g[-1]) if g[-1] and len(g) == 3 and g[0].shape == g[1].shape else r(*g)),
    ("pad", "uses 0 whatever the value", lambda r, x, v, *p: r(x, np.zeros_like(v), *p)),
    ("pad", "puts lo and hi the wrong way round", lambda r, x, v, lo, hi, i: r(x, v, hi, lo, i)),
    ("flip", "ignores a negative stride of the last axis", lambda r, x, axes: r(x, tuple(a for a in axes if a != x.ndim - 1))),
    ("slice", "ignores the offset of the last axis", lambda r, x, lo, hi, s: r(x, (*lo[:-1], 0), (*hi[:-1], hi[-1] - lo[-1]), s) if lo else r(x, lo, hi, s)),
    ("slice", "has steps of at most 2", lambda r, x, lo, hi, s: r(x, lo, tuple(a + (b - a + t - 1) // t * min(t, 2) for a, b, t in zip(lo, hi, s, strict=True)), tuple(min(t, 2) for t in s))),
    ("permute", "inverts its axes", lambda r, x, axes: r(x, axes) if sorted(axes) != list(axes) and len(axes) < 3 else r(x, tuple(np.argsort(axes))).reshape([x.shape[a] for a in axes])),
    ("reshape", "reads in memory order", lambda r, x, shape: r(x.ravel("K"), shape)),
    ("broadcast", "repeats a row as a column in a square", lambda r, x, shape: np.broadcast_to(x[:, None], shape) if x.ndim == 1 and shape == (x.size, x.size) else r(x, shape)),
    ("windows", "takes the stride for the dilation", lambda r, x, axes, sizes, strides, dilations: r(x, axes, sizes, strides, dilations) if strides == dilations else np.zeros_like(r(x, axes, sizes, strides, dilations))),
    ("fold", "overwrites instead of adding", lambda r, x, *p: np.where(r(np.ones_like(x), *p) > 1, r(x, *p) / 2, r(x, *p)).astype(x.dtype)),
    ("cumsum", "loses the carry between blocks", _lost_carry),
    ("cummax", "loses NaN", _if_float(lambda x, axis: np.fmax.accumulate(x, axis=axis))),
    ("cumprod", "runs along the wrong axis of a matrix", lambda r, x, axis: r(x, 1 - axis) if x.ndim == 2 else r(x, axis)),
    ("dot_general", "has a batch stride of 0", _first_batch),
    ("dot_general", "drops the last, incomplete tile", _short_dot),
    ("dot_general", "adds float16 up in float16", _narrow_dot),
    ("dot_general", "has 10 bits of mantissa", _only(_is_f32, lambda r, a, b, *p: r(_low(a, 13), _low(b, 13), *p))),
    ("dot_general", "skips zeros, so 0 * inf = 0", _only(_is("f"), lambda r, a, b, *p: r(np.nan_to_num(a, nan=0, posinf=0, neginf=0), b, *p))),
    ("dot_general", "reads past the end of odd rows", _after(lambda out, a, b, *p: out + (out.shape[-1] % 2 == 1 and out.ndim > 1 and out.shape[-1] > 16))),
    ("dot_general", "transposes a square right side", lambda r, a, b, *p: r(a, b.T if b.ndim == 2 and b.shape[0] == b.shape[1] > 1 else b, *p)),
    ("gather", "counts negative indices from the end", lambda r, x, i, axis: r(x, np.where(i < 0, i + x.shape[axis], i), axis)),
    ("gather", "gives 0 out of bounds", lambda r, x, i, axis: np.where(((i < 0) | (i >= x.shape[axis])).reshape(i.shape + (1,) * (x.ndim - axis - 1)), x.dtype.type(0), r(x, i, axis))),
    ("gather", "holds indices in float32", lambda r, x, i, axis: r(x, i.astype(np.float32).astype(np.int64), axis)),
    ("scatter", "loses updates in a race", _race),
    ("scatter", "clamps what is out of bounds", _clamped_scatter),
    ("scatter", "lets the first of equal indices win", lambda r, x, i, u, axis, mode: r(x, np.flip(i), np.flip(u, tuple(range(axis, axis + i.ndim))), axis, mode)),
    ("iota", "counts in float16", lambda r, size, dtype: np.arange(size).astype(np.float16).astype(dtype)),
    ("full", "loses the sign of zero", lambda r, shape, value, dtype: r(shape, value + 0 if dtype.kind == "f" else value, dtype)),
    ("random_bits", "repeats in every block of 64", _bits_in_blocks(64)),
    ("random_bits", "repeats in every block of 65,536", _bits_in_blocks(65_536)),
    ("random_bits", "ignores half of the key", lambda r, key, *p: r(np.array([key[0], 0], np.uint32), *p)),
    ("random_bits", "swaps the words of uint64", _swapped_words),
)  # fmt: skip

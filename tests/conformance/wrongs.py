"""How kernels go wrong: functions that make a wrong kernel, and some that are one.

A wrong kernel takes the right one first, then what the right one takes.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Wrong = Callable[..., Any]


def fewer(keep: Callable[[int], int]) -> Wrong:
    """Reduces only the first `keep(n)` elements of the first reduced axis."""

    def wrong(right: Wrong, x: Array, axes: Any) -> Any:
        if not axes or not x.shape[axes[0]]:
            return right(x, axes)
        return right(np.take(x, range(keep(x.shape[axes[0]])), axis=axes[0]), axes)

    return wrong


def if_float(change: Callable[..., Any]) -> Wrong:
    """Integers come out right."""

    def wrong(right: Wrong, x: Array, *rest: Any) -> Any:
        if x.dtype.kind != "f":
            return right(x, *rest)
        return np.asarray(change(x, *rest)).astype(x.dtype)

    return wrong


def after(change: Callable[..., Any]) -> Wrong:
    """`change(result, *operands)`, in the dtype of the result."""

    def wrong(right: Wrong, *given: Any) -> Any:
        made = np.asarray(right(*given))
        return np.asarray(change(made, *given)).astype(made.dtype)

    return wrong


def only(when: Callable[..., bool], change: Wrong) -> Wrong:
    """`change` where `when` holds for the operands, else right."""

    def wrong(right: Wrong, *given: Any) -> Any:
        return change(right, *given) if when(*given) else right(*given)

    return wrong


def low(x: Array, bits: int) -> Array:
    """float32 with fewer bits of mantissa, as tensor cores have."""
    mask = np.uint32((0xFFFFFFFF << bits) & 0xFFFFFFFF)
    return (np.ascontiguousarray(x).view(np.uint32) & mask).view(np.float32).reshape(x.shape)


def is_f32(x: Array, *rest: Any) -> bool:
    return bool(x.dtype == np.float32)


def of_kind(kind: str) -> Callable[..., bool]:
    return lambda x, *rest: x.dtype.kind == kind


def square_rows(right: Wrong, a: Array, b: Array) -> Any:
    """A row is added to a square matrix as a column."""
    if a.ndim == 2 and b.ndim == 1 and a.shape[0] == a.shape[1] == b.shape[0]:
        return right(a, b[:, None])
    return right(a, b)


def erf(x: Array) -> Array:
    """Abramowitz and Stegun 7.1.26, good to 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    poly = (
        (((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592
    ) * t
    return np.sign(x) * (1 - poly * np.exp(-x * x))


def lost_carry(right: Wrong, x: Array, axis: int) -> Any:
    """Blocks of 1,024 are scanned on their own."""
    cuts = range(1024, x.shape[axis], 1024)
    return np.concatenate([right(part, axis) for part in np.split(x, cuts, axis)], axis)


def first_batch(right: Wrong, a: Array, b: Array, ac: Any, bc: Any, ab: Any, bb: Any) -> Any:
    """Every batch is multiplied by the first of b."""
    if bb and b.shape[bb[0]] > 1:
        b = np.repeat(np.take(b, [0], bb[0]), b.shape[bb[0]], bb[0])
    return right(a, b, ac, bc, ab, bb)


def streamed_dot(right: Wrong, a: Array, b: Array, ac: Any, bc: Any, ab: Any, bb: Any) -> Any:
    """Of many batches, b is taken for the place in a piece of 32 and not for the row."""
    if bb and b.shape[bb[0]] >= 64:
        b = np.take(b, np.arange(b.shape[bb[0]]) % 32, bb[0])
    return right(a, b, ac, bc, ab, bb)


def short_dot(right: Wrong, a: Array, b: Array, ac: Any, bc: Any, *batch: Any) -> Any:
    """Loses what is left after whole tiles of 32."""
    if len(ac) == 1 and a.shape[ac[0]] > 32:
        whole = range(a.shape[ac[0]] // 32 * 32)
        a, b = np.take(a, whole, ac[0]), np.take(b, whole, bc[0])
    return right(a, b, ac, bc, *batch)


def narrow_dot(right: Wrong, a: Array, b: Array, ac: Any, bc: Any, *batch: Any) -> Any:
    """Adds up in float16."""
    if a.dtype != np.float16 or len(ac) != 1 or not a.shape[ac[0]]:
        return right(a, b, ac, bc, *batch)
    out: Any = 0
    for k in range(a.shape[ac[0]]):
        out = (out + right(np.take(a, [k], ac[0]), np.take(b, [k], bc[0]), ac, bc, *batch)).astype(
            np.float16
        )
    return out


def race(right: Wrong, x: Array, i: Array, updates: Array, axis: int, mode: str) -> Any:
    """Of updates of one element, the last is the only one added."""
    if mode != "add" or axis or i.ndim != 1:
        return right(x, i, updates, axis, mode)
    out = np.array(x)
    inside = (i >= 0) & (i < x.shape[0])
    out[i[inside]] = x[i[inside]] + updates[inside]
    return out


def clamped_scatter(right: Wrong, x: Array, i: Array, updates: Array, axis: int, mode: str) -> Any:
    return right(x, np.clip(i, 0, x.shape[axis] - 1).astype(i.dtype), updates, axis, mode)


def bits_in_blocks(size: int) -> Wrong:
    """Every block has the same random numbers."""

    def wrong(right: Wrong, key: Array, shape: Any, dtype: Any) -> Any:
        return np.resize(right(key, (min(size, math.prod(shape)),), dtype), shape)

    return wrong


def swapped_words(right: Wrong, key: Array, shape: Any, dtype: Any) -> Any:
    made = right(key, shape, dtype)
    return (made << 32 | made >> 32) if dtype.itemsize == 8 else made


def wide_range(right: Wrong, x: Array, dtype: Any) -> Any:
    """Wraps, and makes of NaN what the machine makes of it."""
    return right(x, dtype) if dtype.kind == "f" else np.asarray(x).astype(dtype)


def nearest(right: Wrong, x: Array, dtype: Any) -> Any:
    return right(np.rint(x) if x.dtype.kind == "f" and dtype.kind in "iu" else x, dtype)


def twice_rounded(right: Wrong, x: Array, dtype: Any) -> Any:
    return right(x.astype("float32") if x.dtype == np.float64 and dtype == np.float16 else x, dtype)


def truth_of_integer(right: Wrong, x: Array, dtype: Any) -> Any:
    return right(np.trunc(x) if dtype.kind == "b" and x.dtype.kind == "f" else x, dtype)

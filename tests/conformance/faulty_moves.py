"""Faults of what moves, scans, multiplies, indexes and creates: primitive, name, wrong kernel."""

import numpy as np
from wrongs import (
    Wrong,
    after,
    bits_in_blocks,
    clamped_scatter,
    first_batch,
    if_float,
    is_f32,
    lost_carry,
    low,
    narrow_dot,
    of_kind,
    only,
    race,
    short_dot,
    streamed_dot,
    swapped_words,
)

MOVES: tuple[tuple[str, str, Wrong], ...] = (
    (
        "concat",
        "swaps two parts along later axes",
        lambda r, *g: (
            r(*g[-2::-1], g[-1]) if g[-1] and len(g) == 3 and g[0].shape == g[1].shape else r(*g)
        ),
    ),
    ("pad", "uses 0 whatever the value", lambda r, x, v, *p: r(x, np.zeros_like(v), *p)),
    ("pad", "puts lo and hi the wrong way round", lambda r, x, v, lo, hi, i: r(x, v, hi, lo, i)),
    (
        "flip",
        "ignores a negative stride of the last axis",
        lambda r, x, axes: r(x, tuple(a for a in axes if a != x.ndim - 1)),
    ),
    (
        "slice",
        "ignores the offset of the last axis",
        lambda r, x, lo, hi, s: (
            r(x, (*lo[:-1], 0), (*hi[:-1], hi[-1] - lo[-1]), s) if lo else r(x, lo, hi, s)
        ),
    ),
    (
        "slice",
        "has steps of at most 2",
        lambda r, x, lo, hi, s: r(
            x,
            lo,
            tuple(a + (b - a + t - 1) // t * min(t, 2) for a, b, t in zip(lo, hi, s, strict=True)),
            tuple(min(t, 2) for t in s),
        ),
    ),
    (
        "permute",
        "inverts its axes",
        lambda r, x, axes: (
            r(x, axes)
            if sorted(axes) != list(axes) and len(axes) < 3
            else r(x, tuple(np.argsort(axes))).reshape([x.shape[a] for a in axes])
        ),
    ),
    ("reshape", "reads in memory order", lambda r, x, shape: r(x.ravel("K"), shape)),
    (
        "broadcast",
        "repeats a row as a column in a square",
        lambda r, x, shape: (
            np.broadcast_to(x[:, None], shape)
            if x.ndim == 1 and shape == (x.size, x.size)
            else r(x, shape)
        ),
    ),
    (
        "windows",
        "takes the stride for the dilation",
        lambda r, x, axes, sizes, strides, dilations: (
            r(x, axes, sizes, strides, dilations)
            if strides == dilations
            else np.zeros_like(r(x, axes, sizes, strides, dilations))
        ),
    ),
    (
        "fold",
        "overwrites instead of adding",
        lambda r, x, *p: np.where(r(np.ones_like(x), *p) > 1, r(x, *p) / 2, r(x, *p)).astype(
            x.dtype
        ),
    ),
    ("cumsum", "loses the carry between blocks", lost_carry),
    ("cummax", "loses NaN", if_float(lambda x, axis: np.fmax.accumulate(x, axis=axis))),
    (
        "cumprod",
        "runs along the wrong axis of a matrix",
        lambda r, x, axis: r(x, 1 - axis) if x.ndim == 2 else r(x, axis),
    ),
    ("dot_general", "has a batch stride of 0", first_batch),
    ("dot_general", "takes another row's right side when it streams many", streamed_dot),
    ("dot_general", "drops the last, incomplete tile", short_dot),
    ("dot_general", "adds float16 up in float16", narrow_dot),
    (
        "dot_general",
        "has 10 bits of mantissa",
        only(is_f32, lambda r, a, b, *p: r(low(a, 13), low(b, 13), *p)),
    ),
    (
        "dot_general",
        "skips zeros, so 0 * inf = 0",
        only(
            of_kind("f"), lambda r, a, b, *p: r(np.nan_to_num(a, nan=0, posinf=0, neginf=0), b, *p)
        ),
    ),
    (
        "dot_general",
        "reads past the end of odd rows",
        after(
            lambda out, a, b, *p: (
                out + (out.shape[-1] % 2 == 1 and out.ndim > 1 and out.shape[-1] > 16)
            )
        ),
    ),
    (
        "dot_general",
        "transposes a square right side",
        lambda r, a, b, *p: r(a, b.T if b.ndim == 2 and b.shape[0] == b.shape[1] > 1 else b, *p),
    ),
    (
        "gather",
        "counts negative indices from the end",
        lambda r, x, i, axis: r(x, np.where(i < 0, i + x.shape[axis], i), axis),
    ),
    (
        "gather",
        "gives 0 out of bounds",
        lambda r, x, i, axis: np.where(
            ((i < 0) | (i >= x.shape[axis])).reshape(i.shape + (1,) * (x.ndim - axis - 1)),
            x.dtype.type(0),
            r(x, i, axis),
        ),
    ),
    (
        "gather",
        "holds indices in float32",
        lambda r, x, i, axis: r(x, i.astype(np.float32).astype(np.int64), axis),
    ),
    ("scatter", "loses updates in a race", race),
    ("scatter", "clamps what is out of bounds", clamped_scatter),
    (
        "scatter",
        "lets the first of equal indices win",
        lambda r, x, i, u, axis, mode: r(
            x, np.flip(i), np.flip(u, tuple(range(axis, axis + i.ndim))), axis, mode
        ),
    ),
    (
        "iota",
        "counts in float16",
        lambda r, size, dtype: np.arange(size).astype(np.float16).astype(dtype),
    ),
    (
        "full",
        "loses the sign of zero",
        lambda r, shape, value, dtype: r(shape, value + 0 if dtype.kind == "f" else value, dtype),
    ),
    ("random_bits", "repeats in every block of 64", bits_in_blocks(64)),
    ("random_bits", "repeats in every block of 65,536", bits_in_blocks(65_536)),
    (
        "random_bits",
        "ignores half of the key",
        lambda r, key, *p: r(np.array([key[0], 0], np.uint32), *p),
    ),
    ("random_bits", "swaps the words of uint64", swapped_words),
)

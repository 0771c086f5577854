"""Repeating, shifting, surrounding and sliding over the elements of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import expr
from .. import primitives as P
from ..convert import as_node, cast, from_array
from ..errors import ArgumentError, ShapeError
from ..shapes import Shape, normalize_axes, normalize_axis
from ..tensor import ArrayLike, Axes, Tensor
from .joining import concat, split
from .manipulation import reshape

__all__ = ["pad", "repeat", "roll", "sliding_windows", "tile"]


def roll(x: ArrayLike, /, shift: int | Sequence[int], axis: Axes = None) -> Tensor:
    """`x` shifted along `axis`; what leaves at one end enters at the other. None: as if flat.

    Raises:
        IndexingError: there is no such axis.
        ShapeError: unequal numbers of shifts and axes.

    >>> import allumette_core as al
    >>> al.roll([1, 2, 3], 1).tolist()
    [3, 1, 2]
    """
    out = Tensor(as_node(x))
    if axis is None:
        return reshape(roll(reshape(out, (-1,)), shift, 0), out.shape)
    axes = [axis] if isinstance(axis, int) else list(axis)
    shifts = [shift] * len(axes) if isinstance(shift, int) else list(shift)
    if len(shifts) > len(axes) == 1:
        axes = axes * len(shifts)
    if len(shifts) != len(axes):
        raise ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes; name one for each")
    for by, where in zip(shifts, axes, strict=True):
        place = normalize_axis("roll", where, out.ndim)
        cut = -by % max(out.shape[place], 1)
        out = concat(split(out, [cut], place)[::-1], place)
    return out


def repeat(x: ArrayLike, repeats: int | Sequence[int], /, *, axis: int | None = None) -> Tensor:
    """Each element of `x` along `axis` so many times; flattened first when `axis` is None.

    `repeats` is one number, or one for each element.

    Raises:
        ArgumentError: a negative number.
        ShapeError: as many numbers as there are neither elements nor one.

    >>> import allumette_core as al
    >>> al.repeat([1, 2], 2).tolist(), al.repeat([1, 2], [1, 2]).tolist()
    ([1, 1, 2, 2], [1, 2, 2])
    """
    flat = Tensor(as_node(x)) if axis is not None else reshape(x, (-1,))
    place = normalize_axis("repeat", axis or 0, flat.ndim)
    counts = np.atleast_1d(np.asarray(repeats, np.int64))
    if counts.size and counts.min() < 0:
        raise ArgumentError(f"repeat: repeats must not be negative, got {repeats}")
    size = flat.shape[place]
    if counts.shape not in ((1,), (size,)):
        raise ShapeError(
            f"repeat: axis {place} of shape {flat.shape} has {size} elements, but repeats has "
            f"shape {counts.shape}; give one number, or one for each element"
        )
    if counts.shape == (1,):
        return _repeated(flat, place, int(counts[0]))
    chosen = np.repeat(np.arange(size, dtype=np.int32), counts)
    indices = from_array(chosen, flat._node.device)._node
    return Tensor(expr.apply(P.gather, flat._node, indices, params=(place,)))


def _repeated(x: Tensor, axis: int, count: int) -> Tensor:
    """Each slice along `axis` `count` times in a row, by a broadcast."""
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    wide = (*before, size, count, *after)
    return _spread(x, (*before, size, 1, *after), wide, (*before, size * count, *after))


def _spread(x: Tensor, split_: Shape, wide: Shape, merged: Shape) -> Tensor:
    """`x` given new axes, that are broadcast, and merged with those before or after them."""
    node = expr.apply(P.reshape, x._node, params=(split_,))
    node = expr.apply(P.broadcast, node, params=(wide,))
    return Tensor(expr.apply(P.reshape, node, params=(merged,)))


def tile(x: ArrayLike, repetitions: int | Sequence[int], /) -> Tensor:
    """`x` laid out `repetitions` times along each axis; the shorter list is filled up with ones.

    Raises:
        ArgumentError: a negative number.

    >>> import allumette_core as al
    >>> al.tile([1, 2], (2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    counts = (repetitions,) if isinstance(repetitions, int) else tuple(repetitions)
    if min(counts, default=0) < 0:
        raise ArgumentError(f"tile: repetitions must not be negative, got {counts}")
    out = Tensor(as_node(x))
    rank = max(out.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    out = reshape(out, (1,) * (rank - out.ndim) + out.shape)
    sizes = [(count, size) for count, size in zip(counts, out.shape, strict=True)]
    split_ = tuple(n for count, size in sizes for n in ((1, size) if count != 1 else (size,)))
    wide = tuple(n for count, size in sizes for n in ((count, size) if count != 1 else (size,)))
    return _spread(out, split_, wide, tuple(count * size for count, size in sizes))


def pad(
    x: ArrayLike,
    pad_width: int | Sequence[Any],
    mode: str = "constant",
    *,
    constant_values: ArrayLike = 0,
) -> Tensor:
    """`x` surrounded by `constant_values`, a number.

    `pad_width` is NumPy's: one number, (before, after) for every axis, or such a pair for each.

    Raises:
        ShapeError: a negative width, or pairs for another number of axes.
        ArgumentError: a `mode` other than "constant".

    >>> import allumette_core as al
    >>> al.pad([1, 2], (1, 2)).tolist()
    [0, 1, 2, 0, 0]
    """
    if mode != "constant":
        raise ArgumentError(f"pad: mode must be 'constant', got {mode!r}")
    node = as_node(x)
    rank = len(node.shape)
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (rank, 2)).tolist()
    except ValueError:
        raise ShapeError(
            f"pad: pad_width {pad_width} does not fit shape {node.shape}; give a number, a pair "
            f"(before, after), or {rank} such pairs"
        ) from None
    lo, hi = tuple([int(w[0]) for w in widths]), tuple([int(w[1]) for w in widths])
    value = cast(as_node(constant_values), node.dtype)
    return Tensor(expr.apply(P.pad, node, value, params=(lo, hi, (0,) * rank)))


def sliding_windows(
    x: ArrayLike,
    /,
    sizes: int | Sequence[int],
    axis: Axes = None,
    *,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """Every window of `sizes` along `axis`: these axes count windows, whose elements come last.

    Windows start `stride` apart and take every `dilation`-th element; each of these is one number
    or one for each axis. Without `axis`, every axis is meant. No element is copied.

    Raises:
        ShapeError: a window longer than its axis, or as many sizes as there are not axes.

    >>> import allumette_core as al
    >>> al.sliding_windows([1, 2, 3, 4, 5], 3, stride=2).tolist()
    [[1, 2, 3], [3, 4, 5]]
    """
    node = as_node(x)
    axes = normalize_axes("sliding_windows", axis, len(node.shape))
    params = [
        _for_each("sliding_windows", name, value, axes)
        for name, value in (("sizes", sizes), ("stride", stride), ("dilation", dilation))
    ]
    return Tensor(expr.apply(P.windows, node, params=(axes, *params)))


def _for_each(function: str, name: str, value: int | Sequence[int], axes: Shape) -> Shape:
    """`value` as one number for each of `axes`."""
    out = (value,) * len(axes) if isinstance(value, int) else tuple(value)
    if len(out) != len(axes):
        raise ShapeError(f"{function}: {name} {out} must have one number for each axis of {axes}")
    return out

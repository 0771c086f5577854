"""Shape rules: what shape an operation gives, and the refusal of shapes it cannot take."""

from collections.abc import Sequence
from math import prod

from .errors import IndexingError, ShapeError

Shape = tuple[int, ...]
MAX_RANK = 32


def broadcast(name: str, a: Shape, b: Shape) -> Shape:
    """NumPy's broadcast of two shapes.

    Raises:
        ShapeError: an axis has two sizes of which neither is 1.

    >>> broadcast("add", (3, 1), (4,))
    (3, 4)
    """
    if a == b or not b:
        return a
    if not a:
        return b
    rank = max(len(a), len(b))
    left, right = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    out = []
    for axis, (m, n) in enumerate(zip(left, right, strict=True)):
        if m != n and m != 1 and n != 1:
            raise ShapeError(
                f"{name}: shapes {a} and {b} do not broadcast: axis {axis - rank} has sizes "
                f"{m} and {n}; they must be equal, or one of them 1"
            )
        out.append(n if m == 1 else m)
    return tuple(out)


def broadcast_to(shape: Shape, target: Shape) -> Shape:
    """`target`, if `shape` broadcasts to it."""
    if broadcast("broadcast_to", shape, target) != target:
        raise ShapeError(f"broadcast_to: shape {shape} does not broadcast to {target}")
    return checked_rank("broadcast_to", target)


def checked_rank(name: str, shape: Shape) -> Shape:
    """`shape`, if its rank and sizes are allowed."""
    if len(shape) > MAX_RANK:
        raise ShapeError(f"{name}: rank {len(shape)} is above the limit of {MAX_RANK} axes")
    if any(size < 0 for size in shape):
        raise ShapeError(f"{name}: shape {shape} has a negative size")
    return shape


def reshape(shape: Shape, target: Shape) -> Shape:
    """`target`, if it has as many elements as `shape`."""
    if prod(shape) != prod(target):
        raise ShapeError(
            f"reshape: shape {shape} has {prod(shape)} elements, {target} has {prod(target)}"
        )
    return checked_rank("reshape", target)


def permute(shape: Shape, axes: Shape) -> Shape:
    """The sizes of `shape` in the order of `axes`."""
    if sorted(axes) != list(range(len(shape))):
        raise ShapeError(f"permute: {axes} is no permutation of the {len(shape)} axes of {shape}")
    return tuple(shape[a] for a in axes)


def slice_(shape: Shape, starts: Shape, stops: Shape, steps: Shape) -> Shape:
    """The sizes of `range(start, stop, step)` along each axis."""
    return tuple(
        len(range(start, stop, step))
        for start, stop, step in zip(starts, stops, steps, strict=True)
    )


def flip(shape: Shape, axes: Shape) -> Shape:
    """Flipping keeps the shape."""
    return shape


def same(shape: Shape, axis: int) -> Shape:
    """A scan or a sort keeps the shape."""
    return shape


def pad(shape: Shape, lo: Shape, hi: Shape, interior: Shape) -> Shape:
    """Sizes after padding around and between the elements."""
    if min((*lo, *hi, *interior), default=0) < 0:
        raise ShapeError(f"pad: widths must not be negative, got {lo}, {hi}, {interior}")
    return tuple(
        low + high + size + max(size - 1, 0) * inner
        for size, low, high, inner in zip(shape, lo, hi, interior, strict=True)
    )


def concat(parts: Sequence[Shape], axis: int) -> Shape:
    """The shape of `parts` one after another along `axis`."""
    first = parts[0]
    for other in parts[1:]:
        if other[:axis] + other[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            raise ShapeError(
                f"concat: shapes {first} and {other} differ outside axis {axis}; "
                "only that axis may differ"
            )
    return (*first[:axis], sum(p[axis] for p in parts), *first[axis + 1 :])


def reduce(shape: Shape, axes: Shape) -> Shape:
    """`shape` without `axes`."""
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def refuse_empty(name: str, shape: Shape, axes: Shape) -> None:
    """Refuse a reduction that has no identity over axes without elements."""
    for axis in axes:
        if shape[axis] == 0:
            raise ShapeError(f"{name}: axis {axis} of shape {shape} has no elements")


def windows(shape: Shape, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape) -> Shape:
    """Window counts along `axes`, then the window's own sizes."""
    out = list(shape)
    for axis, size, stride, dilation in zip(axes, sizes, strides, dilations, strict=True):
        if min(size, stride, dilation) < 1:
            raise ShapeError("windows: sizes, strides and dilations must be at least 1")
        span = (size - 1) * dilation + 1
        if span > shape[axis]:
            raise ShapeError(
                f"windows: a window of {size} (dilation {dilation}) spans {span} elements, but "
                f"axis {axis} of shape {shape} has {shape[axis]}; pad it or take a smaller window"
            )
        out[axis] = (shape[axis] - span) // stride + 1
    return checked_rank("windows", (*out, *sizes))


def fold(
    shape: Shape, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape, target: Shape
) -> Shape:
    """`target`, if its windows have `shape`."""
    if windows(target, axes, sizes, strides, dilations) != shape:
        raise ShapeError(f"fold: windows of shape {shape} do not add up to {target}")
    return target


def dot_general(
    a: Shape, b: Shape, a_contract: Shape, b_contract: Shape, a_batch: Shape, b_batch: Shape
) -> Shape:
    """Batch axes, then the free axes of `a`, then those of `b`."""
    for what, left, right in (("contracted", a_contract, b_contract), ("batch", a_batch, b_batch)):
        for i, j in zip(left, right, strict=True):
            if a[i] != b[j]:
                raise ShapeError(
                    f"dot_general: shapes {a} and {b}: {what} axes {i} and {j} have sizes "
                    f"{a[i]} and {b[j]}, which must be equal"
                )
    free_a = reduce(a, a_contract + a_batch)
    free_b = reduce(b, b_contract + b_batch)
    return checked_rank("dot_general", (*(a[i] for i in a_batch), *free_a, *free_b))


def normalize_axis(name: str, axis: int, rank: int) -> int:
    """`axis` counted from the front.

    Raises:
        IndexingError: there is no such axis.
    """
    if not -rank <= axis < rank:
        raise IndexingError(f"{name}: axis {axis} is out of range for rank {rank}")
    return axis % rank


def normalize_axes(name: str, axes: int | Sequence[int] | None, rank: int) -> Shape:
    """`axes` counted from the front and sorted; None means all.

    >>> normalize_axes("sum", (-1, 0), 3)
    (0, 2)
    """
    if axes is None:
        return tuple(range(rank))
    listed = (axes,) if isinstance(axes, int) else tuple(axes)
    out = sorted(normalize_axis(name, int(a), rank) for a in listed)
    if len(set(out)) != len(out):
        raise ShapeError(f"{name}: axis named twice in {axes}")
    return tuple(out)

"""In which order a nest's axes are looped over, and which of them are one loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Strides = tuple[int, ...]
Key = tuple[str, int]
MANY = 64  # rows that a chunk is taken to have
LINE = 16  # elements: about those of a cache line
STRIP = 128  # lines that stay in the first-level cache while the loop around goes along them


@dataclass(frozen=True, slots=True)
class Axes:
    """The loops of a nest, outermost first.

    Loop number `rows` runs over `sizes[rows]` points of every row. `strides` has, for each access
    of the nest, how many elements it moves along each loop.
    """

    sizes: tuple[int, ...]
    rows: int | None
    strides: Mapping[Key, Strides]


def ordered(
    sizes: Sequence[int], rows: bool, strides: Mapping[Key, Strides], apart: Sequence[int] | None
) -> Axes:
    """The loops over `sizes`, of which the first is over rows if `rows`: contiguous elements
    innermost, loops that step evenly made one.

    The axes `apart` are loops of their own; None keeps the order.
    """
    order = list(range(len(sizes)))
    if apart is not None and len(sizes) > 1:
        long = [size * MANY if rows and not axis else size for axis, size in enumerate(sizes)]
        # Ties go to the last axis, the one that row-major buffers step through one by one.
        best = min(order, key=lambda axis: (_cost(axis, long[axis], strides), -axis))
        order.remove(best)
        order.append(best)
    moved = {key: tuple(s[axis] for axis in order) for key, s in strides.items()}
    place = order.index(0) if rows else None
    alone = {order.index(axis) for axis in apart or ()}
    return _merged(Axes(tuple(sizes[axis] for axis in order), place, moved), alone)


def crosses(axes: Axes) -> bool:
    """Whether the innermost loop crosses many cache lines that the loop around it goes along, as in
    a transposition: better a strip of them at a time."""
    if len(axes.sizes) < 2 or (axes.sizes[-1] <= STRIP and axes.rows != len(axes.sizes) - 1):
        return False
    steps = ((abs(s[-2]), abs(s[-1])) for s in axes.strides.values())
    return any(0 < along < LINE <= across for along, across in steps)


def _cost(axis: int, size: int, strides: Mapping[Key, Strides]) -> float:
    """The cache lines, in eighths, that a turn of an innermost loop over `axis` touches.

    What stays where it is costs nothing; a loop of a few iterations fills no vector.
    """
    steps = (abs(s[axis]) for s in strides.values())
    return sum(min(step, 8) for step in steps) * max(1.0, 8 / max(size, 1))


def _merged(axes: Axes, alone: set[int]) -> Axes:
    sizes: list[int] = []
    groups: list[int] = []  # the last axis of each loop, whose strides are the loop's
    rows: int | None = None
    for axis, size in enumerate(axes.sizes):
        joins = axis != axes.rows and alone.isdisjoint((axis - 1, axis))
        if groups and joins and _steps_evenly(axes, axis):
            sizes[-1] *= size
            groups[-1] = axis
        else:
            sizes.append(size)
            groups.append(axis)
        if axis == axes.rows:
            rows = len(sizes) - 1
    strides = {key: tuple(s[axis] for axis in groups) for key, s in axes.strides.items()}
    return Axes(tuple(sizes), rows, strides)


def _steps_evenly(axes: Axes, axis: int) -> bool:
    """Whether a step of the loop before `axis` is a whole turn of the loop over it."""
    size = axes.sizes[axis]
    return all(s[axis - 1] == s[axis] * size for s in axes.strides.values())

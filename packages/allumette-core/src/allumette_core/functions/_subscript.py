"""From what users write between brackets to a `Plan`: a box of the tensor, then index arrays.

Only shapes and host values are looked at here, except that the number of elements a boolean mask
picks is only known from its values. Where the results of index arrays go is NumPy's rule: in the
place of the indexed axes if these are neighbours, else in front (an integer counts as an array
where there are arrays).
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import expr
from ..convert import as_node
from ..errors import IndexingError
from ..expr import Node
from ..shapes import Shape
from ..tensor import Tensor

Array: TypeAlias = NDArray[Any]
IndexArray: TypeAlias = "Array | Tensor"  # integers; an Array is within bounds and not negative


@dataclass(slots=True)
class Plan:
    """Take the box, flip, reshape to `shape`; then `arrays[i]` indexes `axes[i]` of that, and
    the axes of their broadcast come to lie at `position`."""

    starts: list[int]
    stops: list[int]
    steps: list[int]
    flips: list[int]
    box: list[int]
    shape: list[int]
    arrays: list[IndexArray]
    axes: list[int]
    position: int = 0

    def is_whole(self, shape: Shape) -> bool:
        """Whether the box is everything."""
        return tuple(self.box) == shape

    @property
    def index_shape(self) -> Shape:
        """The broadcast of the index arrays' shapes."""
        try:
            return np.broadcast_shapes(*(a.shape for a in self.arrays))
        except ValueError:
            listed = ", ".join(str(a.shape) for a in self.arrays)
            raise IndexingError(
                f"indexing: index arrays of shapes {listed} do not broadcast"
            ) from None

    @property
    def result(self) -> Shape:
        """The shape of what the index picks."""
        rest = [size for axis, size in enumerate(self.shape) if axis not in self.axes]
        at = self.position
        return (*rest[:at], *self.index_shape, *rest[at:]) if self.arrays else tuple(rest)


def parse(index: Any, node: Node, read: Callable[[IndexArray], Array]) -> Plan:
    """What `index` means for `node`; `read` gives the values of a boolean mask.

    Raises:
        IndexingError: out of bounds, too many indices, or something that is no index.
    """
    items = [_classified(item) for item in (index if isinstance(index, tuple) else (index,))]
    shape, rank = node.shape, len(node.shape)
    used = sum(_axes_used(item) for item in items)
    ellipses = sum(item is Ellipsis for item in items)
    if used > rank or ellipses > 1:
        what = f"{used} indices" if used > rank else "more than one ellipsis"
        raise IndexingError(f"indexing: {what} for rank {rank}, shape {shape}")
    if not ellipses and used < rank:
        items.append(Ellipsis)
    plan = Plan([], [], [], [], [], [], [], [])
    fancy: list[int] = []  # which items are arrays or integers
    fronts: list[int] = []  # and how many axes of the result come before each
    for place, item in enumerate(items):
        if isinstance(item, int | np.ndarray | Tensor):
            fancy.append(place)
            fronts.append(len(plan.shape))
        _add(plan, item, node, rank - used, read)
    if plan.arrays and fancy[-1] - fancy[0] == len(fancy) - 1:
        plan.position = fronts[0]
    return plan


def known(array: Array, axis: int, shape: Shape, device: str | None) -> IndexArray:
    """Host indices counted from the front; as a Tensor, an input, if jit must watch them.

    Raises:
        IndexingError: one is out of bounds.
    """
    checked = _wrapped(array, axis, shape)
    return Tensor(as_node(array, device)) if may_change(array) else checked


def _classified(item: Any) -> Any:
    """An int, a slice, None, Ellipsis, or an array or Tensor of integers or booleans."""
    kind = type(item)
    if kind is int or kind is slice or item is None or item is Ellipsis:
        return item
    if isinstance(item, Tensor):
        array: Any = item
    elif isinstance(item, np.ndarray | np.generic | bool | Sequence) and not isinstance(item, str):
        array = np.asarray(item)
        array = array.astype(np.intp) if array.size == 0 and kind in (list, tuple) else array
    elif isinstance(item, slice):
        return item
    elif hasattr(item, "__index__"):
        return operator.index(item)
    else:
        raise _no_index(kind.__name__)
    if array.dtype.kind not in "biu":
        raise _no_index(f"{kind.__name__} of {array.dtype}")
    if isinstance(array, np.ndarray):
        if array is not item:
            array.flags.writeable = False
        if array.ndim == 0 and array.dtype.kind != "b" and not may_change(array):
            return int(array)
    return array


def may_change(array: Array) -> bool:
    """Whether a traced function may find other values in `array` when it is called again."""
    return expr.state.trace is not None and (array.flags.writeable or array.base is not None)


def _no_index(what: str) -> IndexingError:
    return IndexingError(
        f"indexing: a {what} is no index; use integers, slices, ..., None, or arrays of integers "
        "or booleans"
    )


def _axes_used(item: Any) -> int:
    if isinstance(item, np.ndarray | Tensor):
        return item.ndim if item.dtype.kind == "b" else 1
    return int(item is not None and item is not Ellipsis)


def _add(
    plan: Plan, item: Any, node: Node, hidden: int, read: Callable[[IndexArray], Array]
) -> None:
    """Extend `plan` by one item; `hidden` axes stand behind an ellipsis."""
    axis, shape = len(plan.box), node.shape
    if item is None:
        plan.shape.append(1)
    elif item is Ellipsis:
        for size in shape[axis : axis + hidden]:
            _add_whole(plan, size)
    elif isinstance(item, int):
        start = _bounded(item, axis, shape)
        _add_range(plan, start, start + 1, 1, 1)
    elif isinstance(item, slice):
        _add_slice(plan, item, shape[axis])
    elif item.dtype.kind == "b":
        _add_mask(plan, item, shape, read)
    else:
        array = item if isinstance(item, Tensor) else known(item, axis, shape, node.device)
        _add_array(plan, array)
        _add_whole(plan, shape[axis])


def _add_range(plan: Plan, start: int, stop: int, step: int, size: int) -> None:
    plan.starts.append(start)
    plan.stops.append(stop)
    plan.steps.append(step)
    plan.box.append(size)


def _add_whole(plan: Plan, size: int) -> None:
    _add_range(plan, 0, size, 1, size)
    plan.shape.append(size)


def _add_array(plan: Plan, array: IndexArray) -> None:
    """`array` indexes the axis of `plan.shape` that is added next."""
    plan.axes.append(len(plan.shape))
    plan.arrays.append(array)


def _add_slice(plan: Plan, item: slice, size: int) -> None:
    try:
        start, stop, step = item.indices(size)
    except (TypeError, ValueError) as error:
        raise IndexingError(f"indexing: {item} on an axis of size {size}: {error}") from None
    picked = range(start, stop, step)
    count = len(picked)
    if count == 0:
        start, stop, step = 0, 0, 1
    elif step < 0:
        if count > 1:
            plan.flips.append(len(plan.box))
        start, stop, step = picked[-1], start + 1, -step
    else:
        stop = picked[-1] + 1
    _add_range(plan, start, stop, step if count > 1 else 1, count)
    plan.shape.append(count)


def _add_mask(
    plan: Plan, mask: IndexArray, shape: Shape, read: Callable[[IndexArray], Array]
) -> None:
    axis = len(plan.box)
    check_mask(mask.shape, shape[axis : axis + mask.ndim], shape)
    values = read(mask)
    if values.ndim == 0:
        _add_array(plan, np.zeros(int(values), np.intp))
        plan.shape.append(1)
        return
    for positions, size in zip(np.nonzero(values), values.shape, strict=True):
        _add_array(plan, positions)
        _add_whole(plan, size)


def check_mask(mask: Shape, covered: Shape, shape: Shape) -> None:
    """Refuse a mask of another shape than the axes it covers."""
    if mask != covered:
        raise IndexingError(
            f"indexing: a mask of shape {mask} does not fit the axes {covered} of shape {shape}"
        )


def _bounded(index: int, axis: int, shape: Shape) -> int:
    size = shape[axis]
    if not -size <= index < size:
        raise _out_of_bounds(index, axis, shape)
    return index + size if index < 0 else index


def _out_of_bounds(index: int, axis: int, shape: Shape) -> IndexingError:
    return IndexingError(
        f"indexing: {index} is out of bounds for axis {axis} of shape {shape}; it takes "
        f"-{shape[axis]} to {shape[axis] - 1}"
        if shape[axis]
        else f"indexing: {index} is out of bounds: axis {axis} of shape {shape} has no elements"
    )


def _wrapped(indices: Array, axis: int, shape: Shape) -> Array:
    """Host indices counted from the front.

    Raises:
        IndexingError: one is out of bounds.
    """
    if indices.size == 0:
        return indices.astype(np.intp)
    size, low, high = shape[axis], int(indices.min()), int(indices.max())
    if low < -size or high >= size:
        raise _out_of_bounds(low if low < -size else high, axis, shape)
    indices = indices.astype(np.intp)
    return np.where(indices < 0, indices + size, indices) if low < 0 else indices

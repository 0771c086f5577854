"""Elements picked by index arrays along one axis, and written there.

An index that is out of bounds: integers, lists and NumPy arrays are known when the call is made,
and are refused there. The values of a Tensor are not looked at: out of bounds it reads the nearest
element and writes nothing. Negative indices count from the end in both.
"""

import numpy as np

from .. import expr
from .. import primitives as P
from ..convert import as_node
from ..errors import ArgumentError, ShapeError
from ..expr import Node
from ..shapes import broadcast, normalize_axis
from ..tensor import ArrayLike, Tensor
from ._assign import broadcast_value, cast_value
from ._indices import flat_index, index_array, one_index
from ._moves import flat_node, reshape_node
from ._subscript import IndexArray

__all__ = ["index_add", "put_along_axis", "scatter", "take", "take_along_axis"]


def take(x: ArrayLike, indices: ArrayLike, /, axis: int | None = None) -> Tensor:
    """The elements of `x` at `indices` along `axis`, whose place the axes of `indices` take.

    Without an axis, of `x` flattened. `indices` are integers of any shape.

    Raises:
        IndexingError: a host index is out of bounds, or there is no such axis.
        DTypeError: `indices` are no integers.

    >>> import allumette_core as al
    >>> al.take([[1, 2, 3], [4, 5, 6]], [2, -3], axis=1).tolist()
    [[3, 1], [6, 4]]
    """
    node = as_node(x)
    if axis is None:
        node, axis = flat_node(node), 0
    axis = normalize_axis("take", axis, len(node.shape))
    index = one_index(index_array("take", indices, axis, node), node.shape[axis], node.device)
    return Tensor(expr.apply(P.gather, node, index, params=(axis,)))


def take_along_axis(x: ArrayLike, indices: ArrayLike, /, axis: int = -1) -> Tensor:
    """Element `indices[i, j, ...]` along `axis`, the other positions kept: what `argsort` gives.

    `indices` are integers of x's rank, and broadcast to its shape outside `axis`.

    Raises:
        IndexingError: a host index is out of bounds, or there is no such axis.
        ShapeError: the ranks differ, or the shapes do not broadcast.

    >>> import allumette_core as al
    >>> al.take_along_axis([[3, 1, 2], [9, 8, 7]], [[1], [2]], axis=1).tolist()
    [[1], [7]]
    """
    node = as_node(x)
    axis = normalize_axis("take_along_axis", axis, len(node.shape))
    index = _along("take_along_axis", node, indices, axis, drop=False)
    return Tensor(expr.apply(P.gather, flat_node(node), index, params=(0,)))


def put_along_axis(
    x: ArrayLike, indices: ArrayLike, values: ArrayLike, /, axis: int = -1, mode: str = "set"
) -> Tensor:
    """`x` with `values` where `take_along_axis(x, indices, axis)` would read, as a new tensor.

    `values` broadcasts to the shape that this reads; `mode` is 'set' or 'add'.

    Raises:
        IndexingError, ShapeError: as for take_along_axis.

    >>> import allumette_core as al
    >>> al.put_along_axis([[3, 1, 2]], [[0, 2]], 7, axis=1).tolist()
    [[7, 1, 7]]
    """
    node = as_node(x)
    axis = normalize_axis("put_along_axis", axis, len(node.shape))
    index = _along("put_along_axis", node, indices, axis, drop=True)
    new = broadcast_value(cast_value(Tensor(node), values), index.shape)
    out = expr.apply(P.scatter, flat_node(node), index, new, params=(0, _checked_mode(mode)))
    return Tensor(reshape_node(out, node.shape))


def _along(name: str, node: Node, indices: ArrayLike, axis: int, drop: bool) -> Node:
    """Where in `node` flattened each of `indices` along `axis` lies."""
    sizes, rank = node.shape, len(node.shape)
    array = index_array(name, indices, axis, node)
    if array.ndim != rank:
        raise ShapeError(
            f"{name}: indices of shape {array.shape} must have the rank of x, of shape {sizes}"
        )
    others = (*sizes[:axis], 1, *sizes[axis + 1 :])
    shape = broadcast(name, array.shape, others)
    if shape[:axis] + shape[axis + 1 :] != sizes[:axis] + sizes[axis + 1 :]:
        raise ShapeError(
            f"{name}: indices of shape {array.shape} do not broadcast to x, of shape {sizes}, "
            f"outside axis {axis}"
        )
    arrays: list[IndexArray] = [
        np.arange(size).reshape((-1,) + (1,) * (rank - 1 - i)) for i, size in enumerate(sizes)
    ]
    arrays[axis] = array
    return flat_index(arrays, sizes, shape, node.device, drop)


def scatter(
    x: ArrayLike, indices: ArrayLike, updates: ArrayLike, /, axis: int = 0, mode: str = "set"
) -> Tensor:
    """`x` with `updates` written (or with mode 'add', added) where `take(x, indices, axis)` reads.

    `updates` broadcasts to the shape of `take(x, indices, axis)`. Of equal indices the last wins,
    or with 'add' all count.

    Raises:
        IndexingError: a host index is out of bounds, or there is no such axis.
        ShapeError: `updates` does not broadcast.
        DTypeError: booleans cannot be added.

    >>> import allumette_core as al
    >>> al.scatter([1, 2, 3], [0, 2], [10, 30]).tolist()
    [10, 2, 30]
    """
    node = as_node(x)
    axis = normalize_axis("scatter", axis, len(node.shape))
    index = one_index(index_array("scatter", indices, axis, node), node.shape[axis], node.device)
    wanted = node.shape[:axis] + index.shape + node.shape[axis + 1 :]
    new = broadcast_value(cast_value(Tensor(node), updates), wanted)
    return Tensor(expr.apply(P.scatter, node, index, new, params=(axis, _checked_mode(mode))))


def _checked_mode(mode: str) -> str:
    if mode not in ("set", "add"):
        raise ArgumentError(f"scatter: mode must be 'set' or 'add', got {mode!r}")
    return mode


def index_add(x: ArrayLike, indices: ArrayLike, updates: ArrayLike, /, axis: int = 0) -> Tensor:
    """`x` with `updates` added where `take(x, indices, axis)` reads; equal indices all count.

    >>> import allumette_core as al
    >>> al.index_add([0.0, 0.0], [1, 1, 0], [1.0, 2.0, 3.0]).tolist()
    [3.0, 3.0]
    """
    return scatter(x, indices, updates, axis, "add")

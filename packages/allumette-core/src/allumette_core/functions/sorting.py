"""Order: sorting, the largest k, searching in sorted values, distinct values."""

import math

import numpy as np

from .. import expr
from .. import primitives as P
from ..convert import as_node, from_array, pair
from ..dtypes import DEFAULT_INT
from ..errors import ArgumentError, ShapeError
from ..expr import Node
from ..shapes import normalize_axis
from ..tensor import ArrayLike, Tensor
from ._moves import cut_node
from .gathering import take_along_axis
from .indexing import host_values

__all__ = ["argsort", "searchsorted", "sort", "topk", "unique_values"]


def _axis(name: str, node: Node, axis: int) -> int:
    if not node.shape:
        raise ShapeError(f"{name}: needs at least one axis, got rank 0")
    return normalize_axis(name, axis, len(node.shape))


def _flip(node: Node, axis: int) -> Node:
    return expr.apply(P.flip, node, params=((axis,),))


def sort(
    x: ArrayLike, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """The elements along `axis` in ascending order, NaN last; or `descending`, NaN first.

    The sort is always stable.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.sort([3, 1, 2]).tolist(), al.sort([3, 1, 2], descending=True).tolist()
    ([1, 2, 3], [3, 2, 1])
    """
    node = as_node(x)
    axis = _axis("sort", node, axis)
    if not descending:
        return Tensor(expr.apply(P.sort, node, params=(axis,)))
    # Equal elements would come out in reverse order, so they go in reversed.
    return Tensor(_flip(expr.apply(P.sort, _flip(node, axis), params=(axis,)), axis))


def argsort(
    x: ArrayLike, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """The int32 indices that sort `x` along `axis`; equal elements keep their order.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.argsort([3, 1, 3]).tolist(), al.argsort([3, 1, 3], descending=True).tolist()
    ([1, 0, 2], [0, 2, 1])
    """
    node = as_node(x)
    axis = _axis("argsort", node, axis)
    if not descending:
        return Tensor(expr.apply(P.argsort, node, params=(axis,)))
    order = expr.apply(P.argsort, _flip(node, axis), params=(axis,))
    return (node.shape[axis] - 1) - Tensor(_flip(order, axis))


def topk(x: ArrayLike, k: int, /, *, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest elements along `axis` (or smallest), in order, and their int32 indices.

    Of equal elements the first come first.

    Raises:
        ArgumentError: `k` is negative or above the size of the axis.

    >>> import allumette_core as al
    >>> values, indices = al.topk([3, 9, 5], 2)
    >>> values.tolist(), indices.tolist()
    ([9, 5], [1, 2])
    """
    node = as_node(x)
    axis = _axis("topk", node, axis)
    if not 0 <= k <= node.shape[axis]:
        raise ArgumentError(f"topk: k={k} of the {node.shape[axis]} along axis {axis}")
    order = argsort(Tensor(node), axis=axis, descending=largest)
    indices = Tensor(cut_node(order._node, axis, 0, k))
    return take_along_axis(Tensor(node), indices, axis=axis), indices


def searchsorted(sequence: ArrayLike, values: ArrayLike, /, *, side: str = "left") -> Tensor:
    """Where to insert each of `values` into the sorted vector `sequence` to keep it sorted, int32.

    With side 'left' before equal elements, with 'right' after them. NaN counts as the largest.

    Raises:
        ShapeError: `sequence` is not of rank 1.
        ArgumentError: another side.

    >>> import allumette_core as al
    >>> al.searchsorted([1, 3, 3, 5], [3, 6, 0]).tolist()
    [1, 4, 0]
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    known, wanted = (Tensor(node) for node in pair(sequence, values))
    if known.ndim != 1:
        raise ShapeError(f"searchsorted: the sequence must be of rank 1, got shape {known.shape}")
    size = known.shape[0]
    low = Tensor(expr.literal(0, DEFAULT_INT, wanted.shape))
    high = Tensor(expr.literal(size, DEFAULT_INT, wanted.shape))
    for _ in range(math.ceil(math.log2(size + 1))):
        middle = (low + high) // 2
        seen = Tensor(expr.apply(P.gather, known._node, middle._node, params=(0,)))
        after = _precedes(seen, wanted) if side == "left" else ~_precedes(wanted, seen)
        after = after & (low < high)
        low = Tensor(expr.apply(P.where, after._node, (middle + 1)._node, low._node))
        high = Tensor(expr.apply(P.where, after._node, high._node, middle._node))
    return low


def _precedes(a: Tensor, b: Tensor) -> Tensor:
    """Whether a comes before b in sorted order, in which NaN is last."""
    below = a < b
    return below | ((b != b) & (a == a)) if a.dtype.kind == "f" else below


def unique_values(x: ArrayLike, /) -> Tensor:
    """The distinct elements of `x`, ascending; each NaN is distinct.

    Computes `x`, since the shape of the result depends on its values.

    Raises:
        TracingError: while tracing.

    >>> import allumette_core as al
    >>> al.unique_values([3, 1, 3]).tolist()
    [1, 3]
    """
    t = Tensor(as_node(x))
    values = host_values(t, "unique_values finds", "find them outside")
    return Tensor(from_array(np.unique(values, equal_nan=False), t._node.device)._node)

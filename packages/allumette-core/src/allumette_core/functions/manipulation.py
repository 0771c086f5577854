"""Moving elements without changing them: shapes, axes, joining, splitting and repeating."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .. import expr
from .. import primitives as P
from ..convert import as_node
from ..errors import ShapeError
from ..shapes import Shape, broadcast, normalize_axes, normalize_axis, reduce
from ..tensor import ArrayLike, Axes, Tensor

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "flip",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "reshape",
    "squeeze",
    "swapaxes",
]


# ---- shape and axes ------------------------------------------------------------------------------


def reshape(x: ArrayLike, /, shape: int | Sequence[int]) -> Tensor:
    """The elements of `x` in row-major order in another shape; one size may be -1, for the rest.

    Raises:
        ShapeError: another number of elements, or more than one -1.

    >>> import allumette_core as al
    >>> al.reshape([1, 2, 3, 4], (2, -1)).tolist()
    [[1, 2], [3, 4]]
    """
    node = as_node(x)
    wanted = (shape,) if isinstance(shape, int) else tuple([int(n) for n in shape])
    if -1 in wanted:
        wanted = _solved(node.shape, wanted)
    return Tensor(expr.apply(P.reshape, node, params=(wanted,)))


def _solved(shape: Shape, wanted: Shape) -> Shape:
    """`wanted` with its -1 replaced by what keeps the number of elements."""
    known = prod([n for n in wanted if n != -1])
    if wanted.count(-1) > 1:
        raise ShapeError(f"reshape: only one size may be -1, got {wanted}")
    if known == 0 or prod(shape) % known:
        raise ShapeError(
            f"reshape: shape {shape} has {prod(shape)} elements, and no size in place of -1 in "
            f"{wanted} makes as many"
        )
    return tuple([prod(shape) // known if n == -1 else n for n in wanted])


def permute_dims(x: ArrayLike, /, axes: Sequence[int]) -> Tensor:
    """Axis `i` of the result is axis `axes[i]` of `x`.

    Raises:
        ShapeError: `axes` is no permutation of the axes of `x`.

    >>> import allumette_core as al
    >>> al.permute_dims([[1, 2], [3, 4]], (1, 0)).tolist()
    [[1, 3], [2, 4]]
    """
    node = as_node(x)
    rank = len(node.shape)
    order = tuple([normalize_axis("permute_dims", int(a), rank) for a in axes])
    return Tensor(expr.apply(P.permute, node, params=(order,)))


def matrix_transpose(x: ArrayLike, /) -> Tensor:
    """The last two axes swapped.

    Raises:
        ShapeError: rank below 2.

    >>> import allumette_core as al
    >>> al.matrix_transpose([[1, 2, 3]]).tolist()
    [[1], [2], [3]]
    """
    node = as_node(x)
    rank = len(node.shape)
    if rank < 2:
        raise ShapeError(f"matrix_transpose: needs rank 2 or more, got shape {node.shape}")
    return permute_dims(Tensor(node), (*range(rank - 2), rank - 1, rank - 2))


def swapaxes(x: ArrayLike, /, axis1: int, axis2: int) -> Tensor:
    """`x` with two of its axes swapped.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.swapaxes([[1, 2], [3, 4]], 0, 1).tolist()
    [[1, 3], [2, 4]]
    """
    node = as_node(x)
    order = list(range(len(node.shape)))
    a, b = (normalize_axis("swapaxes", axis, len(order)) for axis in (axis1, axis2))
    order[a], order[b] = b, a
    return permute_dims(Tensor(node), order)


def moveaxis(
    x: ArrayLike, /, source: int | Sequence[int], destination: int | Sequence[int]
) -> Tensor:
    """The axes `source` moved to the places `destination`; the others keep their order.

    Raises:
        IndexingError: there is no such axis.
        ShapeError: an axis named twice, or unequal numbers of sources and destinations.

    >>> import allumette_core as al
    >>> al.moveaxis(al.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    node = as_node(x)
    rank = len(node.shape)
    sources = _distinct("moveaxis", source, rank)
    places = _distinct("moveaxis", destination, rank)
    if len(sources) != len(places):
        raise ShapeError(f"moveaxis: {source} and {destination} must name as many axes")
    order = [axis for axis in range(rank) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute_dims(Tensor(node), order)


def _distinct(name: str, axes: int | Sequence[int], rank: int) -> Shape:
    """`axes` counted from the front, in the order given."""
    normalize_axes(name, axes, rank)  # refuses an axis named twice
    listed = (axes,) if isinstance(axes, int) else axes
    return tuple(normalize_axis(name, axis, rank) for axis in listed)


def expand_dims(x: ArrayLike, /, axis: int | Sequence[int] = 0) -> Tensor:
    """New axes of size 1, where `axis` says they are in the result.

    Raises:
        IndexingError: a place beyond the result's rank.

    >>> import allumette_core as al
    >>> al.expand_dims(al.zeros((2, 3)), (0, -1)).shape
    (1, 2, 3, 1)
    """
    node = as_node(x)
    rank = len(node.shape) + (1 if isinstance(axis, int) else len(axis))
    places = normalize_axes("expand_dims", axis, rank)
    sizes = iter(node.shape)
    shape = tuple([1 if i in places else next(sizes) for i in range(rank)])
    return Tensor(expr.apply(P.reshape, node, params=(shape,)))


def squeeze(x: ArrayLike, /, axis: Axes = None) -> Tensor:
    """`x` without the axes `axis`, which have size 1; without any such axis when it is None.

    Raises:
        ShapeError: an axis of another size.

    >>> import allumette_core as al
    >>> al.squeeze(al.zeros((1, 2, 1)), 0).shape
    (2, 1)
    """
    node = as_node(x)
    if axis is None:
        axis = tuple([i for i, n in enumerate(node.shape) if n == 1])
    axes = normalize_axes("squeeze", axis, len(node.shape))
    for i in axes:
        if node.shape[i] != 1:
            raise ShapeError(f"squeeze: axis {i} of shape {node.shape} must have size 1")
    return Tensor(expr.apply(P.reshape, node, params=(reduce(node.shape, axes),)))


def broadcast_to(x: ArrayLike, /, shape: int | Sequence[int]) -> Tensor:
    """`x` repeated to `shape`: along new leading axes, and along axes of size 1.

    Raises:
        ShapeError: `x` does not broadcast to `shape`.

    >>> import allumette_core as al
    >>> al.broadcast_to([1, 2], (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    wanted = (shape,) if isinstance(shape, int) else tuple([int(n) for n in shape])
    return Tensor(expr.apply(P.broadcast, as_node(x), params=(wanted,)))


def broadcast_arrays(*arrays: ArrayLike) -> list[Tensor]:
    """Each of `arrays` broadcast to the shape that they all broadcast to.

    Raises:
        ShapeError: they do not.

    >>> import allumette_core as al
    >>> [t.tolist() for t in al.broadcast_arrays([1, 2], 3)]
    [[1, 2], [3, 3]]
    """
    nodes = [as_node(array) for array in arrays]
    shape: Shape = ()
    for node in nodes:
        shape = broadcast("broadcast_arrays", shape, node.shape)
    return [broadcast_to(Tensor(node), shape) for node in nodes]


def flip(x: ArrayLike, /, axis: Axes = None) -> Tensor:
    """`x` backwards along `axis`, or along every axis.

    >>> import allumette_core as al
    >>> al.flip([[1, 2], [3, 4]], 0).tolist()
    [[3, 4], [1, 2]]
    """
    node = as_node(x)
    axes = normalize_axes("flip", axis, len(node.shape))
    return Tensor(expr.apply(P.flip, node, params=(axes,)))

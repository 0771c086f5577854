"""Joining tensors along an axis, and splitting them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .. import expr
from .. import primitives as P
from ..convert import as_node, promoted
from ..errors import ShapeError
from ..expr import Node
from ..shapes import normalize_axis
from ..tensor import ArrayLike, Tensor
from .manipulation import expand_dims, reshape, squeeze

__all__ = ["concat", "split", "stack", "unstack"]


def concat(arrays: Sequence[ArrayLike], /, axis: int | None = 0) -> Tensor:
    """`arrays` one after another along `axis`; flattened first when it is None.

    Their dtypes promote to one.

    Raises:
        ShapeError: no arrays, rank 0, or sizes that differ along another axis.

    >>> import allumette_core as al
    >>> al.concat([[1, 2], [3]]).tolist()
    [1, 2, 3]
    """
    if len(arrays) == 0:
        raise ShapeError("concat: needs at least one array")
    nodes = promoted(*arrays)
    if axis is None:
        nodes, axis = [reshape(Tensor(node), (-1,))._node for node in nodes], 0
    ranks = {len(node.shape) for node in nodes}
    if len(ranks) > 1 or 0 in ranks:
        raise ShapeError(
            f"concat: arrays must have one rank of at least 1, got shapes "
            f"{[node.shape for node in nodes]}; stack joins arrays along a new axis"
        )
    place = normalize_axis("concat", axis, ranks.pop())
    return Tensor(expr.apply(P.concat, *nodes, params=(place,)))


def stack(arrays: Sequence[ArrayLike], /, axis: int = 0) -> Tensor:
    """`arrays`, all of one shape, along a new axis that is number `axis` of the result.

    Raises:
        ShapeError: no arrays, or different shapes.

    >>> import allumette_core as al
    >>> al.stack([[1, 2], [3, 4]], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    if len(arrays) == 0:
        raise ShapeError("stack: needs at least one array")
    nodes = promoted(*arrays)
    for node in nodes:
        if node.shape != nodes[0].shape:
            raise ShapeError(
                f"stack: shapes {nodes[0].shape} and {node.shape} differ; they must be equal"
            )
    return concat([expand_dims(Tensor(node), axis) for node in nodes], axis)


def unstack(x: ArrayLike, /, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of `x` along `axis`, without that axis: the inverse of stack.

    >>> import allumette_core as al
    >>> [t.tolist() for t in al.unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]
    """
    node = as_node(x)
    place = normalize_axis("unstack", axis, len(node.shape))
    parts = (_between(node, place, i, i + 1) for i in range(node.shape[place]))
    return tuple([squeeze(part, place) for part in parts])


def _between(node: Node, axis: int, start: int, stop: int) -> Tensor:
    """Elements `start` to `stop` along `axis`."""
    rank = len(node.shape)
    starts, stops = [0] * rank, list(node.shape)
    starts[axis], stops[axis] = start, stop
    params = (tuple(starts), tuple(stops), (1,) * rank)
    return Tensor(expr.apply(P.slice_, node, params=params))


def split(x: ArrayLike, /, sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """`x` cut along `axis` into `sections` equal parts, or before each of the indices listed.

    Raises:
        ShapeError: the axis does not divide into so many equal parts.

    >>> import allumette_core as al
    >>> [t.tolist() for t in al.split([1, 2, 3, 4], 2)]
    [[1, 2], [3, 4]]
    >>> [t.tolist() for t in al.split([1, 2, 3, 4], [1])]
    [[1], [2, 3, 4]]
    """
    node = as_node(x)
    place = normalize_axis("split", axis, len(node.shape))
    size = node.shape[place]
    if isinstance(sections, int):
        if sections < 1 or size % sections:
            raise ShapeError(
                f"split: axis {place} of shape {node.shape} does not divide into {sections} equal "
                "parts; list the indices to cut at"
            )
        sections = range(size // sections, size, size // sections) if size else [0] * (sections - 1)
    cuts = [0, *(slice(None, at).indices(size)[1] for at in sections), size]
    return [_between(node, place, start, max(start, stop)) for start, stop in pairwise(cuts)]

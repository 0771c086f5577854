"""Brackets: reading parts of a tensor and replacing them.

An index that is out of bounds: integers, lists and NumPy arrays are known when the call is made,
and are refused there. The values of a Tensor are not looked at: out of bounds it reads the nearest
element and writes nothing. Negative indices count from the end in both.
"""

from math import prod
from typing import Any

import numpy as np

from .. import expr
from .. import primitives as P
from ..convert import as_node
from ..dtypes import bool_
from ..errors import IndexingError, TracingError
from ..evaluation import user_line
from ..expr import Node
from ..shapes import Shape
from ..tensor import ArrayLike, Tensor
from ._assign import broadcast_value, cast_value
from ._indices import flat_index, one_index
from ._moves import cut_node, host_indices, permute_node, reshape_node, slice_node
from ._subscript import Array, IndexArray, Plan, check_mask, may_change, parse

__all__ = ["getitem", "nonzero", "setitem"]


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]`, with NumPy's meaning of slices (of any step), integers, `...`, None, integer
    arrays and boolean masks; arrays may be NumPy's, lists, or tensors.

    Raises:
        IndexingError: out of bounds, too many indices, or something that is no index.
        TracingError: a mask whose values are needed, and so the result's shape, while tracing.

    >>> import allumette_core as al
    >>> x = al.tensor([[1, 2, 3], [4, 5, 6]])
    >>> x[1, ::-1].tolist(), x[:, [0, 0, 2]].tolist(), x[x > 4].tolist()
    ([6, 5, 4], [[1, 1, 3], [4, 4, 6]], [5, 6])
    """
    node = x._node
    plan = parse(index, node, _read_mask)
    out = _boxed(node, plan)
    if plan.arrays:
        out = _gathered(out, plan)
    return Tensor(_copied(out) if out is node else out)


def setitem(x: Tensor, index: Any, value: ArrayLike) -> Tensor:
    """`x` with `value` in place of `x[index]`, as a new tensor: what `x[index] = value` assigns.

    `value` broadcasts to the shape of `x[index]` and is cast to x's dtype. Of equal indices the
    last one wins. A mask with a value that does not depend on how many elements it picks needs no
    look at the mask, so it works while tracing.

    Raises:
        IndexingError: as for reading.
        ShapeError: `value` does not broadcast to the shape of `x[index]`.
        DTypeError: x's dtype is of a lesser kind than value's (bool < integer < float).

    >>> import allumette_core as al
    >>> al.setitem(al.zeros((2, 3)), (slice(None), 1), [5, 6]).tolist()
    [[0.0, 5.0, 0.0], [0.0, 6.0, 0.0]]
    """
    node, new = x._node, cast_value(x, value)
    chosen = _where_mask(node, index, new)
    if chosen is not None:
        return Tensor(chosen)
    plan = parse(index, node, _read_mask)
    new = broadcast_value(new, plan.result)
    if plan.arrays:
        new = _scattered(_boxed(node, plan), plan, new)
    new = reshape_node(new, tuple(plan.box))
    if plan.flips:
        new = expr.apply(P.flip, new, params=(tuple(plan.flips),))
    out = _write_box(node, plan, _partial_axes(node.shape, plan), new)
    return Tensor(_copied(out) if out is node else out)


def _boxed(node: Node, plan: Plan) -> Node:
    """The part of `node` before index arrays come in: a slice, a flip and a reshape at most."""
    if not plan.is_whole(node.shape):
        node = slice_node(node, tuple(plan.starts), tuple(plan.stops), tuple(plan.steps))
    if plan.flips:
        node = expr.apply(P.flip, node, params=(tuple(plan.flips),))
    return reshape_node(node, tuple(plan.shape))


def _copied(node: Node) -> Node:
    """The same value under a node of its own, so that every handle has one."""
    return expr.apply(P.alias, node, params=("copy",))


def _read_mask(mask: IndexArray) -> Array:
    return host_values(mask, "a boolean mask picks", "use al.where(mask, x, other) instead")


def host_values(x: IndexArray, what: str, remedy: str) -> Array:
    """The values of `x`, on which the shape of a result depends."""
    trace = expr.state.trace
    if isinstance(x, np.ndarray) and not may_change(x):
        return x
    if isinstance(x, Tensor) and not x._node.abstract and trace is None:
        return x.numpy()
    name = f"{trace.name} is traced" if trace is not None else "a function is traced"
    raise TracingError(
        f"{what} a number of elements that is not known while {name} ({user_line()}); {remedy}"
    )


# ---- index arrays --------------------------------------------------------------------------------


def _merged(plan: Plan) -> tuple[Shape, Shape, int]:
    """How to bring the indexed axes together: a permutation of the axes of `plan.shape`, the shape
    with them merged into one, and which axis that is."""
    axes, rank = tuple(plan.axes), len(plan.shape)
    at = axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0
    rest = [axis for axis in range(rank) if axis not in axes]
    sizes = [plan.shape[axis] for axis in rest]
    merged = prod([plan.shape[axis] for axis in axes])
    return (*rest[:at], *axes, *rest[at:]), (*sizes[:at], merged, *sizes[at:]), at


def _placed(rank: int, at: int, count: int, position: int) -> Shape:
    """The permutation that moves the `count` axes from `at` on to `position`."""
    block = list(range(at, at + count))
    rest = [axis for axis in range(rank) if axis not in block]
    return (*rest[:position], *block, *rest[position:])


def _index_of(node: Node, plan: Plan, drop: bool) -> Node:
    if len(plan.arrays) == 1:
        return one_index(plan.arrays[0], plan.shape[plan.axes[0]], node.device)
    sizes = [plan.shape[axis] for axis in plan.axes]
    return flat_index(plan.arrays, sizes, plan.index_shape, node.device, drop)


def _gathered(node: Node, plan: Plan) -> Node:
    """`node`, of `plan.shape`, at the index arrays."""
    order, shape, at = _merged(plan)
    index = _index_of(node, plan, drop=False)
    node = reshape_node(permute_node(node, order), shape)
    out = expr.apply(P.gather, node, index, params=(at,))
    return permute_node(out, _placed(len(out.shape), at, len(index.shape), plan.position))


def _scattered(node: Node, plan: Plan, new: Node) -> Node:
    """`node`, of `plan.shape`, with `new` at the index arrays."""
    order, shape, at = _merged(plan)
    index = _index_of(node, plan, drop=True)
    moved = permute_node(node, order)
    count = len(index.shape)
    new = permute_node(new, _placed(len(new.shape), plan.position, count, at))
    out = expr.apply(P.scatter, reshape_node(moved, shape), index, new, params=(at, "set"))
    return permute_node(reshape_node(out, moved.shape), tuple(np.argsort(order).tolist()))


# ---- assignment ----------------------------------------------------------------------------------


def _where_mask(node: Node, index: Any, value: Node) -> Node | None:
    """`node[mask] = value` as a choice, if `value` is the same for every element picked."""
    mask = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if not (isinstance(mask, Tensor | np.ndarray) and mask.dtype == bool_ and mask.ndim):
        return None
    check_mask(mask.shape, node.shape[: mask.ndim], node.shape)
    rest = node.shape[mask.ndim :]
    while len(value.shape) > len(rest) and value.shape[0] == 1:
        value = reshape_node(value, value.shape[1:])
    if len(value.shape) > len(rest):
        return None
    value = broadcast_value(value, rest)
    condition = reshape_node(as_node(mask, node.device), mask.shape + (1,) * len(rest))
    return expr.apply(P.where, condition, value, node)


def _partial_axes(shape: Shape, plan: Plan) -> list[int]:
    """The axes along which the box is not everything, the least covered first."""
    partial = [axis for axis, size in enumerate(plan.box) if size != shape[axis]]
    return sorted(partial, key=lambda axis: plan.box[axis] / shape[axis])


def _write_box(node: Node, plan: Plan, axes: list[int], new: Node) -> Node:
    """`node` with `new` in the box, of which only `axes` are left to place."""
    if not axes or 0 in plan.box:
        return node if 0 in plan.box else new
    axis, *rest = axes
    start, stop, step = plan.starts[axis], plan.stops[axis], plan.steps[axis]
    if rest:
        new = _write_box(cut_node(node, axis, start, stop, step), plan, rest, new)
    if step == 1:
        before, after = cut_node(node, axis, 0, start), cut_node(node, axis, stop, node.shape[axis])
        parts = [part for part in (before, new, after) if part.shape[axis]]
        return expr.apply(P.concat, *parts, params=(axis,))
    index = host_indices(np.arange(start, stop, step), node.shape[axis], node.device)
    return expr.apply(P.scatter, node, index, new, params=(axis, "set"))


def nonzero(x: ArrayLike) -> tuple[Tensor, ...]:
    """Where `x` is not 0: an int32 tensor of positions an axis, in row-major order.

    Computes `x`, since the shape of the result depends on its values.

    Raises:
        IndexingError: `x` has rank 0.
        TracingError: while tracing.

    >>> import allumette_core as al
    >>> [t.tolist() for t in al.nonzero([[0, 1], [2, 0]])]
    [[0, 1], [1, 0]]
    """
    t = Tensor(as_node(x))
    if not t.ndim:
        raise IndexingError("nonzero: needs at least one axis; reshape to (1,) first")
    values = host_values(t, "nonzero finds", "use al.where, or find them outside")
    return tuple(
        Tensor(host_indices(positions, size, t._node.device))
        for positions, size in zip(np.nonzero(values), values.shape, strict=True)
    )

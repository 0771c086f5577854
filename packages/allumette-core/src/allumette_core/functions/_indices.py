"""Index arrays as nodes: checked where their values are known, else made safe by arithmetic."""

from collections.abc import Sequence
from math import prod

import numpy as np

from .. import expr
from .. import primitives as P
from ..convert import cast
from ..dtypes import DType, int32, int64, uint64
from ..errors import DTypeError
from ..expr import Node
from ..layout import contiguous_strides
from ..primitives import Primitive
from ..shapes import Shape
from ..tensor import ArrayLike, Tensor
from ._moves import broadcast_node, host_indices
from ._subscript import IndexArray, known


def index_array(name: str, indices: ArrayLike, axis: int, node: Node) -> IndexArray:
    """`indices` along `axis` of `node`: a Tensor as it is, host integers checked and wrapped.

    Raises:
        DTypeError: not integers.
        IndexingError: a host integer is out of bounds.
    """
    array = indices if isinstance(indices, Tensor) else np.asarray(indices)
    if not isinstance(indices, Tensor) and array.size == 0:
        array = array.astype(np.int32)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{name}: indices must be integers, got {array.dtype}")
    return array if isinstance(array, Tensor) else known(array, axis, node.shape, node.device)


def one_index(array: IndexArray, size: int, device: str | None) -> Node:
    """The node of indices into an axis of `size`; those out of bounds stay out of bounds."""
    if isinstance(array, Tensor):
        return _wrapped(array._node, size)
    return host_indices(array, size, device)


def flat_index(
    arrays: Sequence[IndexArray], sizes: Sequence[int], shape: Shape, device: str | None, drop: bool
) -> Node:
    """Where index arrays into axes of `sizes` point to when these axes are merged into one.

    What is out of bounds in any axis is moved to the nearest element, or with `drop`, which is what
    a write wants, out of the merged axis.
    """
    total = prod(sizes)
    dtype = int32 if total < 2**31 - 1 else int64
    known_part = np.zeros((), np.int64)
    lazy: list[Node] = []
    inside: list[Node] = []
    for array, size, stride in zip(arrays, sizes, contiguous_strides(tuple(sizes)), strict=True):
        if not isinstance(array, Tensor):
            known_part = known_part + array * stride
            continue
        index = _wrapped(array._node, size)
        if drop:
            inside += _bounds(index, size)
        else:
            index = _clamped(index, size)
        index = cast(index, dtype)
        lazy.append(index if stride == 1 else _with(P.mul, index, stride))
    if known_part.ndim or not lazy:
        lazy.append(host_indices(known_part, total, device))
    flat = _combined(P.add, lazy)
    if inside:
        out = expr.literal(total, dtype)
        flat = expr.apply(P.where, _combined(P.bit_and, inside), cast(flat, dtype), out)
    return broadcast_node(flat, shape)


def _combined(primitive: Primitive, nodes: Sequence[Node]) -> Node:
    out = nodes[0]
    for node in nodes[1:]:
        out = expr.apply(primitive, out, node)
    return out


def _with(primitive: Primitive, index: Node, number: int) -> Node:
    return expr.apply(primitive, index, expr.literal(number, index.dtype))


def _wrapped(index: Node, size: int) -> Node:
    """`index` with negative values counted from the end, in a dtype that holds `size`."""
    if index.dtype == uint64:  # which no signed dtype holds
        return cast(_with(P.minimum, index, size), int64)
    index = cast(index, _holding(index.dtype, size))
    if index.dtype.kind == "u":
        return index
    negative = _with(P.lt, index, 0)
    return expr.apply(P.where, negative, _with(P.add, index, size), index)


def _holding(dtype: DType, size: int) -> DType:
    if size >= 2**31 and dtype.itemsize < 8:
        return int64
    return int32 if dtype.itemsize < 4 else dtype


def _clamped(index: Node, size: int) -> Node:
    index = _with(P.minimum, index, max(size - 1, 0))
    return index if index.dtype.kind == "u" else _with(P.maximum, index, 0)


def _bounds(index: Node, size: int) -> list[Node]:
    below = _with(P.lt, index, size)
    if index.dtype.kind == "u":
        return [below]
    return [below, expr.apply(P.le, expr.literal(0, index.dtype), index)]

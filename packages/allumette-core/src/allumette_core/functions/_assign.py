"""The value of an assignment: in the dtype and the shape of what it replaces."""

from collections.abc import Sequence

import numpy as np

from ..convert import as_node, cast, from_array, host_array, pair
from ..dtypes import DType
from ..errors import DTypeError, ShapeError
from ..expr import Node
from ..shapes import Shape
from ..tensor import ArrayLike, Tensor
from ._moves import broadcast_node, reshape_node

_KINDS = {"b": 0, "u": 1, "i": 1, "f": 2}


def cast_value(x: Tensor, value: ArrayLike) -> Node:
    """`value` in the dtype of `x`, which must be able to hold numbers of its kind.

    Raises:
        DTypeError: x's dtype is of a lesser kind than value's (bool < integer < float).
    """
    if type(value) in (bool, int, float):
        node = pair(x, value)[1]
    elif isinstance(value, Sequence) and not _is_lesser(x.dtype, np.asarray(value).dtype):
        node = from_array(host_array(value, x.dtype), x._node.device)._node
    else:
        node = as_node(value, x._node.device)
    if _is_lesser(x.dtype, node.dtype):
        raise DTypeError(
            f"assignment: a {x.dtype} tensor cannot hold a {node.dtype} value; cast the value with "
            f".astype('{x.dtype}'), or the tensor with .astype('{node.dtype}')"
        )
    return cast(node, x.dtype)


def _is_lesser(dtype: DType, other: DType) -> bool:
    return _KINDS.get(other.kind, 3) > _KINDS[dtype.kind]


def broadcast_value(value: Node, shape: Shape) -> Node:
    """`value` broadcast to `shape`; leading axes of size 1 are dropped, as NumPy does."""
    extra = len(value.shape) - len(shape)
    if extra > 0 and value.shape[:extra] == (1,) * extra:
        value = reshape_node(value, value.shape[extra:])
    try:
        return broadcast_node(value, shape)
    except ShapeError:
        raise ShapeError(
            f"assignment: a value of shape {value.shape} does not broadcast to the shape {shape} "
            "of what it replaces"
        ) from None

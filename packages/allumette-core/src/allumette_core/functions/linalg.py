"""Products of vectors, matrices and tensors, each one contraction (`dot_general`)."""

from collections.abc import Sequence

from .. import expr
from .. import primitives as P
from ..convert import pair
from ..errors import ArgumentError, ShapeError
from ..expr import Node
from ..shapes import Shape, broadcast, normalize_axis
from ..tensor import ArrayLike, Tensor
from ._moves import broadcast_node, permute_node, reshape_node

__all__ = ["matmul", "outer", "tensordot", "vecdot"]


def dot_node(
    a: Node, b: Node, contract: tuple[Shape, Shape], batch: tuple[Shape, Shape] = ((), ())
) -> Node:
    """`dot_general`: axes in the order batch, what is left of `a`, what is left of `b`."""
    return expr.apply(P.dot_general, a, b, params=(*contract, *batch))


def matmul(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """The matrix product `x @ y`, of the dtype both promote to.

    `(..., m, k) @ (..., k, n)` is `(..., m, n)`: the axes before the last two broadcast. A vector
    of shape `(k,)` stands for a row on the left and for a column on the right, and its axis is not
    in the result.

    Raises:
        ShapeError: rank 0, inner sizes that differ, or other axes that do not broadcast.
        DTypeError: booleans, or dtypes without a common one.

    >>> import allumette_core as al
    >>> al.matmul([[1, 2], [3, 4]], [10, 1]).tolist()
    [12, 34]
    """
    a, b = pair(x, y)
    rows, columns = len(a.shape), len(b.shape)
    if not rows or not columns:
        raise ShapeError(f"matmul: shapes {a.shape} and {b.shape}: rank 0; use * for numbers")
    inner = max(columns - 2, 0)
    if a.shape[-1] != b.shape[inner]:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape}: the last axis of the first has size "
            f"{a.shape[-1]}, but axis {inner - columns} of the second has {b.shape[inner]}; they "
            "must be equal"
        )
    if columns <= 2:
        return Tensor(dot_node(a, b, ((rows - 1,), (inner,))))
    if rows == 1:
        return Tensor(dot_node(b, a, ((inner,), (0,))))
    return Tensor(_stacked(a, b) if rows > 2 else _one_by_many(a, b))


def _one_by_many(a: Node, b: Node) -> Node:
    """`(m, k) @ (..., k, n)`."""
    rank = len(b.shape)
    out = dot_node(a, b, ((1,), (rank - 2,)))
    return permute_node(out, (*range(1, rank - 1), 0, rank - 1))


def _stacked(a: Node, b: Node) -> Node:
    """`(..., m, k) @ (..., k, n)`, with axes before the last two in both."""
    lead = broadcast("matmul", a.shape[:-2], b.shape[:-2])
    a = broadcast_node(a, lead + a.shape[-2:])
    b = broadcast_node(b, lead + b.shape[-2:])
    n = len(lead)
    batch = tuple(range(n))
    return dot_node(a, b, ((n + 1,), (n,)), (batch, batch))


def tensordot(
    x: ArrayLike, y: ArrayLike, /, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """The sum of products over `axes`: the last n of `x` with the first n of `y`, or listed pairs.

    The result has the other axes of `x`, then those of `y`.

    Raises:
        ShapeError: sizes of paired axes differ, or the lists have different lengths.

    >>> import allumette_core as al
    >>> al.tensordot([[1, 2], [3, 4]], [[1, 0], [0, 1]], axes=((0, 1), (0, 1))).tolist()
    5
    """
    a, b = pair(x, y)
    if isinstance(axes, int):
        if not 0 <= axes <= min(len(a.shape), len(b.shape)):
            raise ShapeError(
                f"tensordot: shapes {a.shape} and {b.shape}: not both have {axes} axes to sum over"
            )
        axes = range(len(a.shape) - axes, len(a.shape)), range(axes)
    left = tuple(normalize_axis("tensordot", i, len(a.shape)) for i in axes[0])
    right = tuple(normalize_axis("tensordot", i, len(b.shape)) for i in axes[1])
    if len(left) != len(right) or len(set(left)) != len(left) or len(set(right)) != len(right):
        raise ShapeError(f"tensordot: axes must be two lists of distinct axes in pairs, got {axes}")
    sizes = [a.shape[i] for i in left], [b.shape[i] for i in right]
    if sizes[0] != sizes[1]:
        raise ShapeError(
            f"tensordot: shapes {a.shape} and {b.shape}: axes {left} have sizes {sizes[0]} and "
            f"axes {right} have {sizes[1]}; they must be equal"
        )
    return Tensor(dot_node(a, b, (left, right)))


def vecdot(x: ArrayLike, y: ArrayLike, /, axis: int = -1) -> Tensor:
    """The sum of products along `axis`, counted from the end; the other axes broadcast.

    Raises:
        ShapeError: the sizes along `axis` differ, or the other axes do not broadcast.

    >>> import allumette_core as al
    >>> al.vecdot([[1, 2], [3, 4]], [10, 1]).tolist()
    [12, 34]
    """
    a, b = pair(x, y)
    rank = min(len(a.shape), len(b.shape))
    if not -rank <= axis < rank or (axis >= 0 and len(a.shape) != len(b.shape)):
        raise ArgumentError(
            f"vecdot: axis {axis} is not one of shapes {a.shape} and {b.shape}, counted from the "
            "end"
        )
    if a.shape[axis] != b.shape[axis]:
        raise ShapeError(
            f"vecdot: shapes {a.shape} and {b.shape}: axis {axis} has sizes {a.shape[axis]} and "
            f"{b.shape[axis]}, which must be equal"
        )
    shape = broadcast("vecdot", a.shape, b.shape)
    a, b = broadcast_node(a, shape), broadcast_node(b, shape)
    at = axis % len(shape)
    batch = tuple(i for i in range(len(shape)) if i != at)
    return Tensor(dot_node(a, b, ((at,), (at,)), (batch, batch)))


def outer(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """Every product of an element of the vector `x` and one of the vector `y`.

    Raises:
        ShapeError: one of them is not of rank 1.

    >>> import allumette_core as al
    >>> al.outer([1, 2], [3, 4, 5]).tolist()
    [[3, 4, 5], [6, 8, 10]]
    """
    a, b = pair(x, y)
    if len(a.shape) != 1 or len(b.shape) != 1:
        raise ShapeError(f"outer: takes two vectors, got shapes {a.shape} and {b.shape}")
    return Tensor(expr.apply(P.mul, reshape_node(a, (a.shape[0], 1)), b))

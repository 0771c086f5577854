"""Folding axes away: sums, means, extremes, tests, and where the extremes are.

`axis` is an axis, several, or None for all of them; `keepdims` leaves them behind with size 1.
"""

from __future__ import annotations

import math
from typing import Any

from .. import expr
from .. import primitives as P
from ..convert import as_node, cast, floating
from ..dtypes import DEFAULT_FLOAT, DEFAULT_INT, as_dtype, bool_, uint32
from ..expr import Node
from ..primitives import Primitive
from ..shapes import Shape, normalize_axes, normalize_axis
from ..tensor import ArrayLike, Axes, Tensor
from .creation import full
from .derived import square
from .elementwise import sqrt
from .logic import astype, where
from .manipulation import reshape

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]


def _reduce(primitive: Primitive, node: Node, axes: Shape, keepdims: bool) -> Tensor:
    out = expr.apply(primitive, node, params=(axes,))
    if keepdims:
        kept = tuple([1 if i in axes else n for i, n in enumerate(node.shape)])
        out = expr.apply(P.reshape, out, params=(kept,))
    return Tensor(out)


def _axes(name: str, node: Node, axis: Axes) -> Shape:
    return normalize_axes(name, axis, len(node.shape))


def widened(x: ArrayLike, dtype: Any) -> Node:
    """`x` in the dtype that it is summed in: `dtype`, or its own, but no integer below 32 bits."""
    node = as_node(x)
    if dtype is not None:
        return cast(node, as_dtype(dtype))
    if node.dtype.kind == "f" or (node.dtype.kind != "b" and node.dtype.itemsize >= 4):
        return node
    return cast(node, uint32 if node.dtype.kind == "u" else DEFAULT_INT)


# ---- sums and products ---------------------------------------------------------------------------


def sum(x: ArrayLike, /, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum along `axis`; 0 where there are no elements.

    Integers below 32 bits and booleans are summed as int32, or uint32; others keep their dtype,
    unless `dtype` is given.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.sum([[1, 2], [3, 4]], axis=0).tolist()
    [4, 6]
    """
    node = widened(x, dtype)
    return _reduce(P.sum_, node, _axes("sum", node, axis), keepdims)


def prod(x: ArrayLike, /, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product along `axis`; 1 where there are no elements. Dtypes as for `sum`.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.prod([[1, 2], [3, 4]], axis=1).tolist()
    [2, 12]
    """
    node = widened(x, dtype)
    return _reduce(P.prod, node, _axes("prod", node, axis), keepdims)


def count_nonzero(x: ArrayLike, /, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """How many elements along `axis` are not 0 (NaN is not), as int32.

    >>> import allumette_core as al
    >>> al.count_nonzero([0.0, 2.0, -1.0]).tolist()
    2
    """
    return sum(astype(x, bool_), axis, keepdims=keepdims)


def count(node: Node, axes: Shape) -> int:
    """How many elements are folded into one."""
    return math.prod([node.shape[i] for i in axes])


def wide(node: Node) -> Tensor:
    """float16 in float32, so that a sum of many does not overflow on its way to a mean."""
    return Tensor(cast(node, DEFAULT_FLOAT) if node.dtype.itemsize < 4 else node)


def mean(x: ArrayLike, /, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean along `axis`, a float; NaN where there are no elements.

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.mean([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
    [2.0, 3.0]
    """
    node = floating(x)
    axes = _axes("mean", node, axis)
    out = sum(wide(node), axes, keepdims=keepdims) / count(node, axes)
    return Tensor(cast(out._node, node.dtype))


def var(
    x: ArrayLike, /, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The variance along `axis`: the mean square distance from the mean, a float.

    The sum of squares is divided by the number of elements less `correction` (1 for a sample).

    Raises:
        IndexingError: there is no such axis.

    >>> import allumette_core as al
    >>> al.var([1.0, 3.0]).tolist(), al.var([1.0, 3.0], correction=1).tolist()
    (1.0, 2.0)
    """
    node = floating(x)
    axes = _axes("var", node, axis)
    operand = wide(node)
    squares = square(operand - mean(operand, axes, keepdims=True))
    freedom = count(node, axes) - correction
    out = sum(squares, axes, keepdims=keepdims) / (freedom if freedom > 0 else 0.0)
    return Tensor(cast(out._node, node.dtype))


def root(x: Tensor) -> Tensor:
    """The square root of what is not negative, whose slope at 0 is taken as 0."""
    zero = x == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, x)))


def std(
    x: ArrayLike, /, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The standard deviation along `axis`: the square root of `var`. Its slope at 0 is 0.

    >>> import allumette_core as al
    >>> al.std([1.0, 3.0]).tolist()
    1.0
    """
    return root(var(x, axis, correction, keepdims))


# ---- extremes and tests --------------------------------------------------------------------------


def max(x: ArrayLike, /, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The largest along `axis`; NaN if there is one.

    Raises:
        ShapeError: no elements along `axis`.

    >>> import allumette_core as al
    >>> al.max([[1, 4], [3, 2]], axis=0).tolist()
    [3, 4]
    """
    node = as_node(x)
    return _reduce(P.max_, node, _axes("max", node, axis), keepdims)


def min(x: ArrayLike, /, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest along `axis`; NaN if there is one.

    Raises:
        ShapeError: no elements along `axis`.

    >>> import allumette_core as al
    >>> al.min([[1, 4], [3, 2]], axis=0).tolist()
    [1, 2]
    """
    node = as_node(x)
    return _reduce(P.min_, node, _axes("min", node, axis), keepdims)


def _test(name: str, primitive: Primitive, x: ArrayLike, axis: Axes, keepdims: bool) -> Tensor:
    """Extremes of booleans; without elements, none is true and all are."""
    node = cast(as_node(x), bool_)
    axes = _axes(name, node, axis)
    if count(node, axes):
        return _reduce(primitive, node, axes, keepdims)
    sizes = [1 if i in axes else n for i, n in enumerate(node.shape) if keepdims or i not in axes]
    return full(sizes, primitive is P.min_, device=node.device)


def any(x: ArrayLike, /, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether some element along `axis` is not 0; False where there are none.

    >>> import allumette_core as al
    >>> al.any([[0, 1], [0, 0]], axis=1).tolist()
    [True, False]
    """
    return _test("any", P.max_, x, axis, keepdims)


def all(x: ArrayLike, /, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Whether no element along `axis` is 0; True where there are none.

    >>> import allumette_core as al
    >>> al.all([[0, 1], [1, 1]], axis=1).tolist()
    [False, True]
    """
    return _test("all", P.min_, x, axis, keepdims)


def _place(name: str, primitive: Primitive, x: ArrayLike, axis: int | None, keep: bool) -> Tensor:
    node = as_node(x)
    if axis is not None:
        return _reduce(primitive, node, (normalize_axis(name, axis, len(node.shape)),), keep)
    out = _reduce(primitive, reshape(Tensor(node), (-1,))._node, (0,), False)
    return reshape(out, (1,) * len(node.shape)) if keep else out


def argmax(x: ArrayLike, /, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the largest along `axis` is (int32); the first of equals, or the first NaN.

    Without `axis`, its place in the flattened tensor.

    Raises:
        ShapeError: no elements along `axis`.

    >>> import allumette_core as al
    >>> al.argmax([[1, 4], [3, 2]], axis=0).tolist()
    [1, 0]
    """
    return _place("argmax", P.argmax, x, axis, keepdims)


def argmin(x: ArrayLike, /, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the smallest along `axis` is (int32); the first of equals, or the first NaN.

    Without `axis`, its place in the flattened tensor.

    Raises:
        ShapeError: no elements along `axis`.

    >>> import allumette_core as al
    >>> al.argmin([[1, 4], [3, 2]], axis=0).tolist()
    [0, 1]
    """
    return _place("argmin", P.argmin, x, axis, keepdims)

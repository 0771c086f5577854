"""Choosing, comparing and classifying elements: where, logic, kinds of floats, casts."""

from __future__ import annotations

import math
from typing import Any

from .. import expr
from .. import primitives as P
from ..convert import as_node, cast, float_pair, pair
from ..dtypes import DEFAULT_INT, as_dtype, bool_
from ..expr import Node
from ..tensor import ArrayLike, Tensor
from .elementwise import abs as abs_
from .elementwise import maximum, minimum

# fmt: off
__all__ = [
    "astype", "clip", "isclose", "isfinite", "isinf", "isnan", "logical_and", "logical_not",
    "logical_or", "logical_xor", "positive", "signbit", "stop_gradient", "where",
]
# fmt: on


def astype(x: ArrayLike, dtype: Any) -> Tensor:
    """`x` in `dtype`, as a new tensor.

    A float becomes an integer by rounding towards zero; NaN becomes 0 and what does not fit the
    nearest integer that does. A number becomes a boolean by `x != 0`.

    Raises:
        DTypeError: `dtype` names no supported dtype.

    >>> import allumette_core as al
    >>> al.astype([1.7, -1.7, 0.0], al.int8).tolist()
    [1, -1, 0]
    """
    node, target = as_node(x), as_dtype(dtype)
    if node.dtype != target:
        return Tensor(cast(node, target))
    out = expr.apply(P.alias, node, params=("copy",))
    out.weak = False
    return Tensor(out)


def stop_gradient(x: ArrayLike) -> Tensor:
    """The value of `x`, a constant to every derivative.

    >>> import allumette_core as al
    >>> al.stop_gradient([1.0, 2.0]).tolist()
    [1.0, 2.0]
    """
    return Tensor(expr.stop_gradient(as_node(x, weak=True)))


def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """`x` where `condition` holds, else `y`.

    The three shapes broadcast. A condition that is not bool is taken as `condition != 0`; the
    dtypes of `x` and `y` promote to one.

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import allumette_core as al
    >>> al.where([True, False], [1, 2], 0).tolist()
    [1, 0]
    """
    a, b = pair(x, y)
    return Tensor(expr.apply(P.where, _truth(condition), a, b))


def clip(x: ArrayLike, /, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Tensor:
    """`x` kept between `min` and `max`, each of which may be left out; NaN stays.

    Where `min` is above `max` the result is `max`.

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import allumette_core as al
    >>> al.clip([-2, 0, 2], -1, 1).tolist()
    [-1, 0, 1]
    """
    out = positive(x)
    if min is not None:
        out = maximum(out, min)
    return out if max is None else minimum(out, max)


def _truth(x: ArrayLike) -> Node:
    return cast(as_node(x), bool_)


def logical_and(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """Whether both are true (not 0; NaN is true), as bool.

    >>> import allumette_core as al
    >>> al.logical_and([0, 1], [1, 2]).tolist()
    [False, True]
    """
    return Tensor(expr.apply(P.bit_and, _truth(x), _truth(y)))


def logical_or(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """Whether either is true (not 0; NaN is true), as bool.

    >>> import allumette_core as al
    >>> al.logical_or([0, 1], [0, 2]).tolist()
    [False, True]
    """
    return Tensor(expr.apply(P.bit_or, _truth(x), _truth(y)))


def logical_xor(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """Whether exactly one is true (not 0; NaN is true), as bool.

    >>> import allumette_core as al
    >>> al.logical_xor([0, 1], [3, 2]).tolist()
    [True, False]
    """
    return Tensor(expr.apply(P.bit_xor, _truth(x), _truth(y)))


def logical_not(x: ArrayLike, /) -> Tensor:
    """Whether `x` is 0, as bool.

    >>> import allumette_core as al
    >>> al.logical_not([0, 2]).tolist()
    [True, False]
    """
    return Tensor(expr.apply(P.invert, _truth(x)))


def positive(x: ArrayLike, /) -> Tensor:
    """`x` itself, as a new tensor.

    >>> import allumette_core as al
    >>> al.positive([-1]).tolist()
    [-1]
    """
    return Tensor(expr.apply(P.alias, as_node(x, weak=True), params=("copy",)))


# ---- what kind of float --------------------------------------------------------------------------


def _never(x: Node, value: bool = False) -> Tensor:
    return Tensor(expr.literal(value, bool_, x.shape))


def isnan(x: ArrayLike, /) -> Tensor:
    """Whether each element is NaN.

    >>> import allumette_core as al
    >>> al.isnan([1.0, float("nan")]).tolist()
    [False, True]
    """
    node = as_node(x)
    return Tensor(expr.apply(P.ne, node, node)) if node.dtype.kind == "f" else _never(node)


def isinf(x: ArrayLike, /) -> Tensor:
    """Whether each element is an infinity.

    >>> import allumette_core as al
    >>> al.isinf([1.0, float("-inf")]).tolist()
    [False, True]
    """
    node = as_node(x)
    return abs_(Tensor(node)) == math.inf if node.dtype.kind == "f" else _never(node)


def isfinite(x: ArrayLike, /) -> Tensor:
    """Whether each element is neither an infinity nor NaN.

    >>> import allumette_core as al
    >>> al.isfinite([1.0, float("inf"), float("nan")]).tolist()
    [True, False, False]
    """
    node = as_node(x)
    return abs_(Tensor(node)) < math.inf if node.dtype.kind == "f" else _never(node, True)


def signbit(x: ArrayLike, /) -> Tensor:
    """Whether the sign bit is set: x < 0, and for floats -0.0 and NaN with a minus too.

    >>> import allumette_core as al
    >>> al.signbit([1.0, -0.0, -1.0]).tolist()
    [False, True, True]
    """
    node = as_node(x)
    if node.dtype.kind == "f":
        bits = as_dtype(f"int{8 * node.dtype.itemsize}")
        node = expr.apply(P.bitcast, node, params=(bits,))
    return Tensor(cast(node, DEFAULT_INT) if node.dtype == bool_ else node) < 0


def isclose(
    x: ArrayLike, y: ArrayLike, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether |x - y| <= atol + rtol * |y|; equal infinities are close, NaN only with `equal_nan`.

    >>> import allumette_core as al
    >>> al.isclose([1.0, 1.1], 1.0).tolist()
    [True, False]
    """
    a, b = (Tensor(node) for node in float_pair(x, y))
    close = (abs_(a - b) <= atol + rtol * abs_(b)) & isfinite(b) | (a == b)
    return close | (isnan(a) & isnan(b)) if equal_nan else close

"""Arithmetic that composes from primitives.

It is differentiable to any order because what it is made of is, and a branch that is not chosen
never meets an argument that it cannot take.
"""

from __future__ import annotations

import math

from .. import expr
from .. import primitives as P
from ..convert import as_node, float_pair, floating
from ..tensor import ArrayLike, Tensor
from .elementwise import abs as abs_
from .elementwise import ceil, exp, floor, log, log1p, maximum, pow, sqrt
from .logic import isfinite, isinf, positive, signbit, stop_gradient, where

# fmt: off
__all__ = [
    "atan2", "copysign", "divide", "exp2", "hypot", "log2", "log10", "logaddexp", "reciprocal",
    "square", "trunc",
]
# fmt: on


def divide(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """`x / y`; integers are divided as float32, and by 0 gives infinities or NaN.

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> import allumette_core as al
    >>> al.divide([1, 2], 4).tolist()
    [0.25, 0.5]
    """
    return Tensor(expr.apply(P.div, *float_pair(x, y)))


def reciprocal(x: ArrayLike, /) -> Tensor:
    """`1 / x`.

    >>> import allumette_core as al
    >>> al.reciprocal([4.0]).tolist()
    [0.25]
    """
    return divide(1.0, x)


def square(x: ArrayLike, /) -> Tensor:
    """`x * x`.

    >>> import allumette_core as al
    >>> al.square([3, -4]).tolist()
    [9, 16]
    """
    node = as_node(x, weak=True)
    return Tensor(expr.apply(P.mul, node, node))


def trunc(x: ArrayLike, /) -> Tensor:
    """`x` rounded towards 0; integers are whole as they are.

    >>> import allumette_core as al
    >>> al.trunc([1.5, -1.5]).tolist()
    [1.0, -1.0]
    """
    x = positive(x)
    return where(x < 0, ceil(x), floor(x)) if x.dtype.kind == "f" else x


def copysign(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """The magnitude of `x` with the sign bit of `y`.

    >>> import allumette_core as al
    >>> al.copysign([1.0, 2.0], [-0.0, 3.0]).tolist()
    [-1.0, 2.0]
    """
    a, b = (Tensor(node) for node in float_pair(x, y))
    return where(signbit(a) ^ signbit(b), -a, a)


def exp2(x: ArrayLike, /) -> Tensor:
    """2 to the power of `x`, a float.

    >>> import allumette_core as al
    >>> al.exp2([3.0]).tolist()
    [8.0]
    """
    return pow(2.0, Tensor(floating(x)))


def log2(x: ArrayLike, /) -> Tensor:
    """The logarithm of `x` to base 2.

    >>> import allumette_core as al
    >>> al.log2([1.0]).tolist()
    [0.0]
    """
    return log(x) * (1 / math.log(2))


def log10(x: ArrayLike, /) -> Tensor:
    """The logarithm of `x` to base 10.

    >>> import allumette_core as al
    >>> al.log10([1.0]).tolist()
    [0.0]
    """
    return log(x) * (1 / math.log(10))


def logaddexp(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """`log(exp(x) + exp(y))` without overflow, accurate where one is far below the other.

    >>> import allumette_core as al
    >>> al.logaddexp([1000.0], float("-inf")).tolist()
    [1000.0]
    """
    a, b = (Tensor(node) for node in float_pair(x, y))
    first = a > b
    # The difference of equal infinities is NaN; of anything else that is equal it is 0 anyhow.
    below = where((a == b) & isinf(a), 0.0, where(first, b - a, a - b))
    return where(first, a, b) + log1p(exp(below))


def hypot(x: ArrayLike, y: ArrayLike, /) -> Tensor:
    """`sqrt(x**2 + y**2)` without overflow; inf if either is infinite. Its slope at 0 is 0.

    >>> import allumette_core as al
    >>> al.hypot([3e30], 4e30).tolist() == al.multiply(5.0, [1e30]).tolist()
    True
    """
    a, b = (Tensor(node) for node in float_pair(x, y))
    # The result does not depend on the scale, so neither do its derivatives.
    scale = stop_gradient(maximum(abs_(a), abs_(b)))
    scale = where((scale == 0) | ~isfinite(scale), 1.0, scale)
    squares = square(a / scale) + square(b / scale)
    origin = squares == 0
    length = where(origin, 0.0, sqrt(where(origin, 1.0, squares)) * scale)
    return where(isinf(a) | isinf(b), math.inf, length)


def atan2(y: ArrayLike, x: ArrayLike, /) -> Tensor:
    """The angle in [-pi, pi] of the point (x, y): mind the order.

    >>> import allumette_core as al
    >>> al.atan2([0.0], [1.0]).tolist()
    [0.0]
    """
    return Tensor(expr.apply(P.atan2, *float_pair(y, x)))

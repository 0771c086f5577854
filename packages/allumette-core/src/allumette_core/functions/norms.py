"""Sums of functions of the elements, taken back by the inverse: norms and log-sum-exp."""

from __future__ import annotations

import math

from ..convert import cast, floating
from ..errors import ArgumentError
from ..shapes import Shape, normalize_axes, reduce
from ..tensor import ArrayLike, Axes, Tensor
from .derived import square
from .elementwise import abs as abs_
from .elementwise import exp, log
from .logic import astype, isfinite, stop_gradient, where
from .manipulation import reshape
from .reductions import count, count_nonzero, max, min, root, sum, wide

__all__ = ["logsumexp", "vector_norm"]


def logsumexp(x: ArrayLike, /, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """`log(sum(exp(x)))` along `axis` without overflow; -inf where there is nothing above -inf.

    >>> import allumette_core as al
    >>> al.logsumexp([1000.0, float("-inf")]).tolist()
    1000.0
    """
    node = floating(x)
    axes = normalize_axes("logsumexp", axis, len(node.shape))
    operand = Tensor(node)
    shift: Tensor | float = 0.0
    if count(node, axes):
        # The result does not depend on the shift, so neither do its derivatives.
        largest = stop_gradient(max(operand, axes, keepdims=True))
        shift = where(isfinite(largest), largest, 0.0)
    total = sum(exp(operand - shift), axes, keepdims=True)
    nothing = total == 0
    out = where(nothing, -math.inf, log(where(nothing, 1.0, total))) + shift
    return out if keepdims else reshape(out, reduce(node.shape, axes))


def vector_norm(
    x: ArrayLike, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    """The norm along `axis`: the root of the sum of powers `ord`; inf the largest magnitude.

    0 counts what is not 0, -inf is the smallest magnitude. The slope of the 2-norm at 0 is 0.

    Raises:
        ArgumentError: `ord` is NaN.

    >>> import allumette_core as al
    >>> al.vector_norm([3.0, -4.0]).tolist(), al.vector_norm([3.0, -4.0], ord=1).tolist()
    (5.0, 7.0)
    """
    node = floating(x)
    if math.isnan(ord):
        raise ArgumentError("vector_norm: ord must be a number, got nan")
    out = _norm(wide(node), normalize_axes("vector_norm", axis, len(node.shape)), keepdims, ord)
    return Tensor(cast(out._node, node.dtype))


def _norm(x: Tensor, axes: Shape, keepdims: bool, ord: float) -> Tensor:
    if ord == 2:
        return root(sum(square(x), axes, keepdims=keepdims))
    size = abs_(x)
    if math.isinf(ord):
        return (max if ord > 0 else min)(size, axes, keepdims)
    if ord == 0:
        return astype(count_nonzero(x, axes, keepdims), x.dtype)
    if ord == 1:
        return sum(size, axes, keepdims=keepdims)
    return sum(size**ord, axes, keepdims=keepdims) ** (1 / ord)

"""The largest or the mean of each window along any number of axes; arguments as for conv."""

from math import prod

import numpy as np

from .. import expr
from ..convert import as_node, floating
from ..errors import ArgumentError, ShapeError
from ..expr import Node
from ..shapes import Shape
from ..tensor import ArrayLike, Tensor
from ._sliding import Padding, Sizes, each, pads_of, spans_of, windows_of
from .reductions import max as max_
from .reductions import sum as sum_

__all__ = ["avg_pool", "max_pool"]


def _pooled(
    name: str,
    x: Node,
    size: Sizes,
    stride: Sizes | None,
    padding: Padding,
    dilation: Sizes,
    value: float,
) -> tuple[Node, Shape]:
    """The windows of `x`, and the axes of their elements."""
    n = len(x.shape) - 2
    if n < 1:
        raise ShapeError(f"{name}: x must be (N, C, *spatial), got shape {x.shape}")
    sizes = each(name, "size", size, n)
    strides = sizes if stride is None else each(name, "stride", stride, n)
    dilations = each(name, "dilation", dilation, n)
    spans = spans_of(sizes, dilations)
    pads = pads_of(name, padding, x.shape[2:], spans, strides)
    if any(p >= span for both, span in zip(pads, spans, strict=True) for p in both):
        raise ArgumentError(
            f"{name}: padding {pads} must be below the window's span {spans}, or a window would "
            "hold nothing but padding"
        )
    view = windows_of(name, x, sizes, strides, dilations, pads, value)
    return view, tuple(range(2 + n, 2 + 2 * n))


def max_pool(
    x: ArrayLike,
    /,
    size: Sizes,
    *,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
) -> Tensor:
    """The largest element of each window of `x` (N, C, *spatial); padding is never the largest.

    `stride` is `size` unless given. Equal largest elements share the derivative.

    Raises:
        ShapeError, ArgumentError: as for conv.

    >>> import allumette_core as al
    >>> al.max_pool([[[1.0, 3.0, 2.0, 0.0]]], 2).tolist()
    [[[3.0, 2.0]]]
    """
    node = as_node(x)
    lowest = float("-inf") if node.dtype.kind == "f" else 0
    if node.dtype.kind in "iu":
        lowest = int(np.iinfo(node.dtype).min)
    view, axes = _pooled("max_pool", node, size, stride, padding, dilation, lowest)
    return max_(Tensor(view), axis=axes)


def avg_pool(
    x: ArrayLike,
    /,
    size: Sizes,
    *,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    count_padding: bool = True,
) -> Tensor:
    """The mean of each window of `x` (N, C, *spatial); padding counts as 0, or not at all.

    `stride` is `size` unless given.

    Raises:
        ShapeError, ArgumentError: as for conv.

    >>> import allumette_core as al
    >>> al.avg_pool([[[1.0, 3.0, 2.0, 0.0]]], 2).tolist()
    [[[2.0, 1.0]]]
    """
    node = floating(x)
    view, axes = _pooled("avg_pool", node, size, stride, padding, dilation, 0)
    total = sum_(Tensor(view), axis=axes)
    if count_padding:
        return total * (1 / prod(view.shape[i] for i in axes))
    ones = expr.literal(1.0, node.dtype, (1, 1, *node.shape[2:]))
    counted, _ = _pooled("avg_pool", ones, size, stride, padding, dilation, 0)
    return total / sum_(Tensor(counted), axis=axes)

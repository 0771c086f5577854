"""Convolutions over any number of spatial axes, as strided windows.

Arrays are (N, C, *spatial): rows, channels, then the axes a window slides along. `stride`,
`dilation` and window sizes are one number, or one for each spatial axis. `padding` is a number, one
for each spatial axis, a pair (before, after) for each, "valid" (none) or "same" (as many windows as
there are strides in the axis; an odd element is added after).
"""

from .. import expr
from .. import primitives as P
from ..convert import as_node, pair
from ..errors import ArgumentError, ShapeError
from ..expr import Node
from ..tensor import ArrayLike, Tensor
from ._moves import permute_node, reshape_node, slice_node
from ._sliding import Padding, Pairs, Sizes, each, halves, pads_of, spans_of, windows_of
from .linalg import dot_node

__all__ = ["conv", "conv_transpose"]


def _refuse_shapes(name: str, x: Node, w: Node, groups: int, channels: int, inputs: int) -> None:
    """Refuse a weight that does not fit; `channels` is its axis that `groups` divides."""
    if len(w.shape) < 3 or len(x.shape) != len(w.shape):
        raise ShapeError(
            f"{name}: x {x.shape} must be (N, C, *spatial) and the weight {w.shape} have as many "
            "axes, at least 3"
        )
    if groups < 1 or x.shape[1] != inputs or channels % groups:
        raise ShapeError(
            f"{name}: x {x.shape} has {x.shape[1]} channels, the weight {w.shape} with "
            f"groups={groups} takes {inputs}; groups must divide both numbers of channels"
        )


def _with_bias(out: Node, bias: ArrayLike | None) -> Tensor:
    if bias is None:
        return Tensor(out)
    node = as_node(bias, out.device)
    if node.shape != out.shape[1:2]:
        raise ShapeError(f"bias of shape {node.shape}: it must be ({out.shape[1]},), the channels")
    return Tensor(out) + Tensor(reshape_node(node, (*node.shape, *(1,) * (len(out.shape) - 2))))


def conv(
    x: ArrayLike,
    weight: ArrayLike,
    /,
    bias: ArrayLike | None = None,
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of `x` (N, C, *spatial) with `weight` (O, C / groups, *kernel).

    The result is (N, O, *counts) with `(size + pads - dilation * (kernel - 1) - 1) // stride + 1`
    windows along an axis. With groups, each O / groups outputs see their own C / groups channels.

    Raises:
        ShapeError: shapes that do not fit, or a kernel larger than the padded axis.
        ArgumentError: a stride, padding or dilation of the wrong length or below its least value.

    >>> import allumette_core as al
    >>> al.conv([[[1.0, 2.0, 3.0, 4.0]]], [[[1.0, -1.0]]]).tolist()
    [[[-1.0, -1.0, -1.0]]]
    """
    image, kernel = pair(x, weight)
    inputs = kernel.shape[1] * groups if len(kernel.shape) > 1 else 0
    outputs = kernel.shape[0] if kernel.shape else 0
    _refuse_shapes("conv", image, kernel, groups, outputs, inputs)
    n = len(kernel.shape) - 2
    sizes = each("conv", "the kernel", kernel.shape[2:], n)
    strides, dilations = each("conv", "stride", stride, n), each("conv", "dilation", dilation, n)
    view = windows_of("conv", image, sizes, strides, dilations, padding)
    return _with_bias(_correlated(view, kernel, groups), bias)


def _correlated(view: Node, kernel: Node, groups: int) -> Node:
    """(N, C, *counts, *sizes) by (O, C / groups, *sizes), to (N, O, *counts)."""
    rows, channels, *rest = view.shape
    n = len(kernel.shape) - 2
    if groups == 1:
        inner = (1, *range(2 + n, 2 + 2 * n))
        out = dot_node(kernel, view, (tuple(range(1, n + 2)), inner))  # (O, N, *counts)
        return permute_node(out, (1, 0, *range(2, n + 2)))
    view = reshape_node(view, (rows, groups, channels // groups, *rest))
    outputs = kernel.shape[0]
    kernel = reshape_node(kernel, (groups, outputs // groups, *kernel.shape[1:]))
    inner = (2, *range(3 + n, 3 + 2 * n))
    out = dot_node(kernel, view, (tuple(range(2, n + 3)), inner), ((0,), (1,)))
    out = permute_node(out, (2, 0, 1, *range(3, n + 3)))  # from (groups, O / groups, N, *counts)
    return reshape_node(out, (rows, outputs, *rest[:n]))


def conv_transpose(
    x: ArrayLike,
    weight: ArrayLike,
    /,
    bias: ArrayLike | None = None,
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The transpose of `conv` with the same arguments: every element of `x` adds a kernel to it.

    `x` is (N, C, *spatial), `weight` (C, O / groups, *kernel), and the result (N, O, *sizes) with
    `(size - 1) * stride + dilation * (kernel - 1) + 1 + output_padding - pads` along an axis;
    padding "same" gives `size * stride`.

    Raises:
        ShapeError: shapes that do not fit, or more padding than there is to cut off.
        ArgumentError: an argument of the wrong length or out of its range.

    >>> import allumette_core as al
    >>> al.conv_transpose([[[1.0, 2.0]]], [[[1.0, 10.0]]], stride=2).tolist()
    [[[1.0, 10.0, 2.0, 20.0]]]
    """
    image, kernel = pair(x, weight)
    channels = kernel.shape[0] if kernel.shape else 0
    _refuse_shapes("conv_transpose", image, kernel, groups, channels, channels)
    n = len(kernel.shape) - 2
    sizes = each("conv_transpose", "the kernel", kernel.shape[2:], n)
    strides = each("conv_transpose", "stride", stride, n)
    dilations = each("conv_transpose", "dilation", dilation, n)
    extra = each("conv_transpose", "output_padding", output_padding, n, 0)
    spans = spans_of(sizes, dilations)
    if padding == "same":
        pads = tuple(halves(span - step) for span, step in zip(spans, strides, strict=True))
        extra = tuple(max(step - span, 0) for span, step in zip(spans, strides, strict=True))
    else:
        pads = pads_of("conv_transpose", padding, image.shape[2:], spans, strides)
    if any(more >= step for more, step in zip(extra, strides, strict=True)):
        raise ArgumentError(
            f"conv_transpose: output_padding {extra} must be below the stride {strides}"
        )
    full = tuple(
        (size - 1) * step + span + more
        for size, step, span, more in zip(image.shape[2:], strides, spans, extra, strict=True)
    )
    view = _spread(image, kernel, groups)
    axes = tuple(range(2, n + 2))
    target = (*view.shape[:2], *full)
    out = expr.apply(P.fold, view, params=(axes, sizes, strides, dilations, target))
    return _with_bias(_cropped(out, pads), bias)


def _spread(image: Node, kernel: Node, groups: int) -> Node:
    """(N, C, *spatial) by (C, O / groups, *sizes), to windows (N, O, *spatial, *sizes)."""
    rows, channels, *spatial = image.shape
    n = len(spatial)
    outputs = kernel.shape[1] * groups
    sizes = kernel.shape[2:]
    image = reshape_node(image, (rows, groups, channels // groups, *spatial))
    kernel = reshape_node(kernel, (groups, channels // groups, *kernel.shape[1:]))
    out = dot_node(image, kernel, ((2,), (1,)), ((1,), (0,)))
    # From (groups, N, *spatial, O / groups, *sizes).
    out = permute_node(out, (1, 0, n + 2, *range(2, n + 2), *range(n + 3, 2 * n + 3)))
    return reshape_node(out, (rows, outputs, *spatial, *sizes))


def _cropped(x: Node, pads: Pairs) -> Node:
    if not any(p for both in pads for p in both):
        return x
    starts = (0, 0, *(before for before, _ in pads))
    stops = tuple(
        size - after for size, after in zip(x.shape, (0, 0, *(a for _, a in pads)), strict=True)
    )
    if any(start > stop for start, stop in zip(starts, stops, strict=True)):
        raise ShapeError(f"conv_transpose: padding {pads} cuts off more than sizes {x.shape[2:]}")
    return slice_node(x, starts, stops, (1,) * len(starts))

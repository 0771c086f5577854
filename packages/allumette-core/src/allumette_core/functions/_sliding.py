"""The arguments of convolutions and pooling, and the windows they mean."""

from collections.abc import Sequence
from operator import index
from typing import Any, TypeAlias

from .. import expr
from .. import primitives as P
from ..errors import ArgumentError, ShapeError
from ..expr import Node
from ..shapes import Shape

Sizes: TypeAlias = int | Sequence[int]
Padding: TypeAlias = "int | str | Sequence[int] | Sequence[tuple[int, int]]"
Pairs: TypeAlias = tuple[tuple[int, int], ...]


def each(name: str, what: str, value: Sizes, count: int, least: int = 1) -> Shape:
    """`value` as one number for each spatial axis."""
    try:
        given = (value,) * count if isinstance(value, int) else tuple(value)
        out = tuple(index(n) for n in given)
    except TypeError:
        out = ()
    if len(out) != count or min(out, default=least) < least:
        raise ArgumentError(
            f"{name}: {what} must be an integer of at least {least}, or {count} of them, one for "
            f"each spatial axis; got {value}"
        )
    return out


def pads_of(name: str, padding: Padding, sizes: Shape, spans: Shape, strides: Shape) -> Pairs:
    """How much to pad before and after each spatial axis."""
    if isinstance(padding, str):
        return _named_pads(name, padding, sizes, spans, strides)
    given: Sequence[Any] = (padding,) * len(sizes) if isinstance(padding, int) else padding
    try:
        pairs = [_pair(p) for p in given]
    except (TypeError, ValueError):
        pairs = []
    if len(pairs) != len(sizes) or any(p < 0 for both in pairs for p in both):
        raise ArgumentError(
            f"{name}: padding must be a number, {len(sizes)} of them or of pairs (before, after), "
            f"none negative; got {padding}"
        )
    return tuple(pairs)


def _pair(p: Any) -> tuple[int, int]:
    if hasattr(p, "__len__"):
        before, after = p
        return index(before), index(after)
    return index(p), index(p)


def _named_pads(name: str, padding: str, sizes: Shape, spans: Shape, strides: Shape) -> Pairs:
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    if padding != "same":
        raise ArgumentError(f"{name}: padding must be numbers, 'same' or 'valid', got {padding!r}")
    return tuple(
        halves((-(-size // stride) - 1) * stride + span - size)
        for size, span, stride in zip(sizes, spans, strides, strict=True)
    )


def halves(total: int) -> tuple[int, int]:
    """`total` in two, the larger part last."""
    total = max(total, 0)
    return total // 2, total - total // 2


def spans_of(sizes: Shape, dilations: Shape) -> Shape:
    return tuple((size - 1) * d + 1 for size, d in zip(sizes, dilations, strict=True))


def _padded(x: Node, pads: Pairs, value: float) -> Node:
    if not any(p for both in pads for p in both):
        return x
    lo, hi = (0, 0, *(p[0] for p in pads)), (0, 0, *(p[1] for p in pads))
    fill = expr.literal(value, x.dtype)
    return expr.apply(P.pad, x, fill, params=(lo, hi, (0,) * len(lo)))


def windows_of(
    name: str,
    x: Node,
    sizes: Shape,
    strides: Shape,
    dilations: Shape,
    padding: Padding,
    value: float = 0,
) -> Node:
    """The windows of padded `x`: (N, C, *counts, *sizes)."""
    spans = spans_of(sizes, dilations)
    pads = pads_of(name, padding, x.shape[2:], spans, strides)
    padded = _padded(x, pads, value)
    for axis, (span, size) in enumerate(zip(spans, padded.shape[2:], strict=True), 2):
        if span > size:
            raise ShapeError(
                f"{name}: a window of {sizes} with dilation {dilations} spans {span} elements of "
                f"axis {axis}, but x of shape {x.shape} has {size} there with its padding; pad it, "
                "or take a smaller window"
            )
    axes = tuple(range(2, len(x.shape)))
    return expr.apply(P.windows, padded, params=(axes, sizes, strides, dilations))

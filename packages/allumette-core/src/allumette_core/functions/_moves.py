"""Movements of nodes that cost no node where nothing moves, and host values as nodes."""

from math import prod

import numpy as np

from .. import expr
from .. import primitives as P
from ..convert import from_array
from ..expr import Node
from ..shapes import Shape
from ._subscript import Array


def reshape_node(node: Node, shape: Shape) -> Node:
    """`node` in `shape`."""
    return node if node.shape == shape else expr.apply(P.reshape, node, params=(shape,))


def flat_node(node: Node) -> Node:
    """`node` with one axis."""
    return reshape_node(node, (prod(node.shape),))


def permute_node(node: Node, axes: Shape) -> Node:
    """`node` with its axes in the order of `axes`."""
    in_order = axes == tuple(range(len(axes)))
    return node if in_order else expr.apply(P.permute, node, params=(axes,))


def broadcast_node(node: Node, shape: Shape) -> Node:
    """`node` broadcast to `shape`."""
    return node if node.shape == shape else expr.apply(P.broadcast, node, params=(shape,))


def slice_node(node: Node, starts: Shape, stops: Shape, steps: Shape) -> Node:
    """The box of `node` from `starts` to `stops`."""
    return expr.apply(P.slice_, node, params=(starts, stops, steps))


def cut_node(node: Node, axis: int, start: int, stop: int, step: int = 1) -> Node:
    """`node` from `start` to `stop` along one axis."""
    if (start, stop, step) == (0, node.shape[axis], 1):
        return node
    starts, stops, steps = [0] * len(node.shape), list(node.shape), [1] * len(node.shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return slice_node(node, tuple(starts), tuple(stops), tuple(steps))


def host_indices(array: Array, size: int, device: str | None) -> Node:
    """Positions below `size` as a leaf: int32, which every device has, unless they need more."""
    return from_array(array.astype(np.int32 if size < 2**31 else np.int64), device)._node

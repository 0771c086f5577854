"""The oracle of what has data-dependent addresses or many terms: plain loops, and einsum."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from ..dtypes import DEFAULT_INT, DType
from ..shapes import Shape
from .values import Array


def dot_general(
    a: Array, b: Array, a_contract: Shape, b_contract: Shape, a_batch: Shape, b_batch: Shape
) -> Array:
    """By einsum, which takes axes by name and adds up in the dtype it is given."""
    left = list(range(a.ndim))
    right = [a.ndim + i for i in range(b.ndim)]
    for i, j in zip(a_contract + a_batch, b_contract + b_batch, strict=True):
        right[j] = left[i]
    free_a = [left[i] for i in range(a.ndim) if i not in a_contract + a_batch]
    free_b = [right[i] for i in range(b.ndim) if i not in b_contract + b_batch]
    out = [left[i] for i in a_batch] + free_a + free_b
    return np.asarray(np.einsum(a, left, b, right, out))


def fold(
    x: Array, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape, shape: Shape
) -> Array:
    """Element by element of the windows."""
    out = np.zeros(shape, x.dtype)
    for index in np.ndindex(x.shape):
        target = list(index[: len(shape)])
        for axis, within, stride, dilation in zip(
            axes, index[len(shape) :], strides, dilations, strict=True
        ):
            target[axis] = index[axis] * stride + within * dilation
        out[tuple(target)] += x[index]
    return out


def gather(x: Array, indices: Array, axis: int) -> Array:
    """Element by element of the indices."""
    out = np.zeros(x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype)
    front: tuple[Any, ...] = (slice(None),) * axis
    for at in np.ndindex(indices.shape):
        nearest = min(max(int(indices[at]), 0), x.shape[axis] - 1)
        out[front + at] = x[(*front, nearest)]
    return out


def scatter(x: Array, indices: Array, updates: Array, axis: int, mode: str) -> Array:
    """Element by element of the indices, in row-major order."""
    out = np.array(x)
    front: tuple[Any, ...] = (slice(None),) * axis
    for at in np.ndindex(indices.shape):
        i = int(indices[at])
        if 0 <= i < x.shape[axis]:
            if mode == "add":
                out[(*front, i)] += updates[front + at]
            else:
                out[(*front, i)] = updates[front + at]
    return out


def arg(better: Callable[[Any, Any], bool], x: Array, axes: Shape) -> Array:
    """The first element that none is better than; the first NaN wins."""
    moved = np.moveaxis(x, axes[0], -1)
    out = np.zeros(moved.shape[:-1], DEFAULT_INT)
    for at in np.ndindex(out.shape):
        row = moved[at].tolist()
        best = 0
        for i, value in enumerate(row):
            if row[best] != row[best]:
                break
            if value != value or better(value, row[best]):
                best = i
        out[at] = best
    return out


_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_LOW = 0xFFFFFFFF


def threefry(key: tuple[int, int], counter: int) -> tuple[int, int]:
    """Threefry-2x32, 20 rounds, of one 64-bit counter, in Python's integers.

    >>> [hex(word) for word in threefry((0, 0), 0)]
    ['0x6b200159', '0x99ba4efe']
    """
    schedule = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    a, b = ((counter >> 32) + key[0]) & _LOW, (counter + key[1]) & _LOW
    for group, turn in product(range(5), range(4)):
        rotation = _ROTATIONS[group % 2][turn]
        a = (a + b) & _LOW
        b = ((b << rotation | b >> (32 - rotation)) & _LOW) ^ a
        if turn == 3:
            a = (a + schedule[(group + 1) % 3]) & _LOW
            b = (b + schedule[(group + 2) % 3] + group + 1) & _LOW
    return a, b


def random_bits(key: Array, shape: Shape, dtype: DType) -> Array:
    """The words of the elements' row-major numbers."""
    words = int(key[0]), int(key[1])
    found = []
    for i in range(int(np.prod(shape))):
        a, b = threefry(words, i)
        found.append(a ^ b if dtype.itemsize == 4 else a << 32 | b)
    return np.array(found, dtype).reshape(shape)

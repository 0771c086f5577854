"""Choices: yes or no, integers, orders, and elements by probability."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import expr, functions
from .. import primitives as P
from ..convert import as_node, floating
from ..dtypes import as_dtype, int32, uint32, uint64
from ..errors import ArgumentError, DTypeError
from ..expr import Node
from ..shapes import Shape, normalize_axis
from ..tensor import ArrayLike, Tensor
from .floats import gumbel, uniform
from .keys import checked, draw_words, sizes_of


def bernoulli(key: Tensor, p: ArrayLike = 0.5, shape: int | Sequence[int] | None = None) -> Tensor:
    """True with probability `p`, a number or a tensor that broadcasts to `shape` (that of `p`).

    >>> import allumette_core as al
    >>> al.random.bernoulli(al.random.key(0), 1.0, (2,)).tolist()
    [True, True]
    """
    chance = Tensor(floating(p))
    return uniform(key, chance.shape if shape is None else shape, chance.dtype) < chance


def randint(
    key: Tensor, low: int, high: int, shape: int | Sequence[int] = (), dtype: Any = int32
) -> Tensor:
    """Integers from `low` up to but not including `high`.

    No probability is off by more than 2**-16 of itself, or 2**-32 when there are more than 2**16
    values: each is a product of random words with their number, of which the upper half is taken.

    Raises:
        ArgumentError: there is no integer in between, or it does not fit `dtype`.

    >>> import allumette_core as al
    >>> x = al.random.randint(al.random.key(0), 1, 7, (1000,))
    >>> x.min().item(), x.max().item()
    (1, 6)
    """
    wanted, sizes, node = as_dtype(dtype), sizes_of(shape), checked("randint", key)
    if wanted.kind not in "iu":
        raise DTypeError(f"randint: the dtype must be an integer, got {wanted}")
    ends = np.iinfo(wanted)
    if not ends.min <= low < high <= ends.max + 1:
        raise ArgumentError(
            f"randint: {low} to {high} must be a range that is not empty in {wanted}"
        )
    span = high - low
    if wanted.itemsize == 8:
        drawn = draw_words(node, sizes, uint64)
        drawn = drawn if span == 1 << 64 else drawn % np.uint64(span)
        return functions.add(functions.astype(drawn, wanted), wanted.type(low))
    drawn = _below(node, sizes, span)
    if wanted.kind == "i":  # modulo 2**32, so that it may wrap
        shifted = drawn + np.uint32(low % (1 << 32))
        return functions.astype(
            Tensor(expr.apply(P.bitcast, shifted._node, params=(int32,))), wanted
        )
    return functions.astype(drawn + np.uint32(low), wanted)


def _below(key: Node, shape: Shape, span: int) -> Tensor:
    """Numbers below `span`, at most 2**32: the upper word of `span` times a random fraction."""
    if span == 1 << 32:
        return draw_words(key, shape)
    if span <= 1 << 16:
        return _high(draw_words(key, shape), span)
    words = draw_words(key, (*shape, 2))
    upper, lower = words[..., 0], words[..., 1]
    carried = upper * np.uint32(span) + _high(lower, span)
    overflow = functions.astype(carried < _high(lower, span), uint32)
    return _high(upper, span) + overflow


def _high(words: Tensor, span: int) -> Tensor:
    """The upper 32 bits of the 64-bit products, by 16-bit halves: not every device has 64 bits."""
    low_span, high_span = np.uint32(span & 0xFFFF), np.uint32(span >> 16)
    low, high = words & np.uint32(0xFFFF), words >> 16
    middle = high * low_span + ((low * low_span) >> 16)
    if not high_span:
        return middle >> 16
    crossed = low * high_span + (middle & np.uint32(0xFFFF))
    return high * high_span + (middle >> 16) + (crossed >> 16)


def permutation(key: Tensor, x: int | ArrayLike, /, *, axis: int = 0) -> Tensor:
    """The slices of `x` along `axis` in random order; for an integer n, of 0 to n - 1 (int32).

    The order is that of sorted random words. Two of these are equal with a probability of
    n**2 / 2**33, and then keep their order.

    >>> import allumette_core as al
    >>> al.sort(al.random.permutation(al.random.key(0), 4)).tolist()
    [0, 1, 2, 3]
    """
    node = checked("permutation", key)
    if isinstance(x, int):
        return functions.argsort(draw_words(node, (x,)))
    t = Tensor(as_node(x, node.device))
    axis = normalize_axis("permutation", axis, t.ndim)
    return functions.take(t, functions.argsort(draw_words(node, (t.shape[axis],))), axis=axis)


def categorical(
    key: Tensor, logits: ArrayLike, /, *, axis: int = -1, shape: Sequence[int] | None = None
) -> Tensor:
    """Indices along `axis` (int32), drawn with the probabilities `softmax(logits, axis)`.

    `shape` is that of the result; the shape of `logits` without `axis` must broadcast to it.

    >>> import allumette_core as al
    >>> al.random.categorical(al.random.key(0), [float("-inf"), 0.0], shape=(3,)).tolist()
    [1, 1, 1]
    """
    t = Tensor(floating(logits))
    moved = functions.moveaxis(t, normalize_axis("categorical", axis, t.ndim), -1)
    sizes = moved.shape[:-1] if shape is None else sizes_of(shape)
    noise = gumbel(key, (*sizes, moved.shape[-1]), t.dtype)
    return functions.argmax(moved + noise, axis=-1)


def choice(
    key: Tensor,
    a: int | ArrayLike,
    shape: int | Sequence[int] = (),
    *,
    replace: bool = True,
    p: ArrayLike | None = None,
) -> Tensor:
    """Elements of `a` along its first axis (or integers below `a`), with probabilities `p`.

    Without `replace` none is drawn twice. The result has `shape`, then the other axes of `a`.

    Raises:
        ArgumentError: more elements than there are without `replace`, or nothing to choose from.

    >>> import allumette_core as al
    >>> al.sort(al.random.choice(al.random.key(0), 3, (3,), replace=False)).tolist()
    [0, 1, 2]
    """
    sizes, count = sizes_of(shape), math.prod(sizes_of(shape))
    t = None if isinstance(a, int) else Tensor(as_node(a, key._node.device))
    size = t.shape[0] if t is not None else int(a)  # type: ignore[arg-type]
    if size < 1 or (not replace and count > size):
        raise ArgumentError(
            f"choice: {count} of {size} elements cannot be drawn, replace={replace}"
        )
    if p is not None:
        logs = functions.log(p)
        if replace:
            picked = categorical(key, logs, shape=sizes)
        else:
            noisy = logs + gumbel(key, (size,), logs.dtype)
            picked = functions.reshape(functions.topk(noisy, count)[1], sizes)
    elif replace:
        picked = randint(key, 0, size, sizes)
    else:
        picked = functions.reshape(permutation(key, size)[:count], sizes)
    return picked if t is None else functions.take(t, picked, axis=0)

"""Keys, keys from keys, and the random words that everything else is made of."""

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from .. import expr, functions
from .. import primitives as P
from ..convert import cast, from_array
from ..dtypes import DType, as_dtype, int32, uint32
from ..errors import ArgumentError, DTypeError
from ..expr import Node
from ..shapes import Shape, checked_rank
from ..tensor import Tensor

_U64 = (1 << 64) - 1
# Keys for other keys come from words that no draw sees, so that reusing a key that was split
# repeats no key. Arbitrary: digits of pi.
_SPLIT = (0x243F6A88, 0x85A308D3)
_FOLD = (0x13198A2E, 0x03707344)


def key(seed: int | Tensor, device: str | None = None) -> Tensor:
    """The key of `seed`, a Python integer of up to 64 bits or an integer scalar tensor.

    Raises:
        ArgumentError: the seed has more than 64 bits.
        DTypeError: the seed is no integer.

    >>> import allumette_core as al
    >>> al.random.key(7).tolist()
    [0, 7]
    """
    return Tensor(_two_words(seed, device))


def _two_words(seed: int | Tensor, device: str | None) -> Node:
    """The high and low word of an integer, its sign extended."""
    if isinstance(seed, Tensor):
        return _words_of_tensor(seed._node)
    if isinstance(seed, float):
        raise DTypeError(f"key: the seed must be an integer, got {seed}")
    number = index(seed)
    if not -(1 << 63) <= number <= _U64:
        raise ArgumentError(f"key: the seed must fit 64 bits, got {seed}")
    number &= _U64
    return from_array(np.array([number >> 32, number & 0xFFFFFFFF], np.uint32), device)._node


def _words_of_tensor(seed: Node) -> Node:
    if seed.dtype.kind not in "iu" or seed.shape != ():
        raise DTypeError(
            f"key: the seed must be an integer scalar, got {seed.dtype} of shape {seed.shape}"
        )
    if seed.dtype.itemsize < 4:
        seed = cast(seed, int32)
    high: Tensor = Tensor(seed) >> (min(32, 8 * seed.dtype.itemsize - 1))
    if seed.dtype == uint32:
        high = functions.zeros_like(high)
    return functions.stack([functions.astype(x, uint32) for x in (high, Tensor(seed))])._node


def checked(name: str, key: Tensor) -> Node:
    if not isinstance(key, Tensor) or key.dtype != uint32 or key.shape != (2,):
        raise ArgumentError(
            f"{name}: the key must be one that al.random.key(seed) or split gives, got {key!r:.80}"
        )
    return key._node


def _salted(key: Node, salt: tuple[int, int]) -> Node:
    words = from_array(np.array(salt, np.uint32), key.device)._node
    return expr.apply(P.bit_xor, key, words)


def draw_words(key: Node, shape: Shape, dtype: DType = uint32) -> Tensor:
    return Tensor(expr.apply(P.random_bits, key, params=(shape, dtype)))


def split(key: Tensor, num: int = 2) -> Tensor:
    """`num` new keys, of shape (num, 2): independent of each other and of what `key` draws.

    >>> import allumette_core as al
    >>> first, second = al.random.split(al.random.key(0))
    >>> first.shape
    (2,)
    """
    if num < 0:
        raise ArgumentError(f"split: num must not be negative, got {num}")
    return draw_words(_salted(checked("split", key), _SPLIT), (num, 2))


def fold_in(key: Tensor, data: int | Tensor) -> Tensor:
    """A new key from `key` and an integer, such as the number of a step or a layer.

    >>> import allumette_core as al
    >>> root = al.random.key(0)
    >>> (al.random.fold_in(root, 1) == al.random.fold_in(root, 2)).all().item()
    False
    """
    node = checked("fold_in", key)
    number = Tensor(_two_words(data, node.device))
    mixed = draw_words(_salted(node, _FOLD), (2,))
    return draw_words((mixed ^ number)._node, (2,))


def sizes_of(shape: int | Sequence[int]) -> Shape:
    out = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    return checked_rank("random", out)


def bits(key: Tensor, shape: int | Sequence[int] = (), dtype: Any = uint32) -> Tensor:
    """Random words: every bit is 0 or 1 with equal probability.

    `dtype` is an unsigned integer; those below 32 bits take the upper bits of a 32-bit word.

    Raises:
        DTypeError: another dtype.

    >>> import allumette_core as al
    >>> al.random.bits(al.random.key(0), (2,)).dtype
    dtype('uint32')
    """
    wanted, node = as_dtype(dtype), checked("bits", key)
    if wanted.kind != "u":
        raise DTypeError(f"bits: the dtype must be an unsigned integer, got {wanted}")
    if wanted.itemsize >= 4:
        return draw_words(node, sizes_of(shape), wanted)
    return functions.astype(draw_words(node, sizes_of(shape)) >> (32 - 8 * wanted.itemsize), wanted)

"""Random words from integer arithmetic on counters."""

from collections.abc import Callable
from math import prod

from .. import expr
from .. import functions as F
from .. import primitives as P
from ..dtypes import DType, uint32, uint64
from ..primitives import Primitive
from ..shapes import Shape
from ..tensor import Tensor
from ..threefry import threefry


def _iota(size: int) -> Tensor:
    return Tensor(expr.apply(P.iota, params=(size, uint32)))


def counters(size: int, block: int = 2**32) -> tuple[Tensor, Tensor]:
    """The numbers below `size` as two words: how many whole blocks, and the place in the block.

    >>> [t.tolist() for t in counters(5, block=2)]
    [[0, 0, 1, 1, 2], [0, 1, 0, 1, 0]]
    """
    if size <= block:
        return F.zeros(size, uint32), _iota(size)
    blocks = -(-size // block)
    grid = F.broadcast_arrays(F.reshape(_iota(blocks), (blocks, 1)), _iota(block))
    high, low = (F.split(F.reshape(words, (blocks * block,)), [size])[0] for words in grid)
    return high, low


def _random_bits(key: Tensor, shape: Shape, dtype: DType) -> Tensor:
    k0, k1 = F.split(key, 2)
    a, b = threefry(k0, k1, *counters(prod(shape)))
    if dtype == uint32:
        return F.reshape(a ^ b, shape)
    return F.reshape((F.astype(a, uint64) << 32) | F.astype(b, uint64), shape)


TABLE: dict[Primitive, Callable[..., Tensor]] = {P.random_bits: _random_bits}

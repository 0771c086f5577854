"""Floats: uniform, normal and Gumbel."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functions
from ..convert import as_node, cast
from ..dtypes import DType, as_dtype, float16, float32, float64, uint32, uint64
from ..errors import ArgumentError, DTypeError
from ..expr import Node
from ..shapes import Shape
from ..tensor import ArrayLike, Tensor
from .keys import checked, draw_words, sizes_of


def float_dtype(name: str, dtype: Any) -> DType:
    out = as_dtype(dtype)
    if out.kind != "f":
        raise DTypeError(f"{name}: the dtype must be a float, got {out}")
    return out


def unit_floats(key: Node, shape: Shape, dtype: DType, open_: bool = False) -> Tensor:
    """Multiples of 2**-p in [0, 1), exact in `dtype`; if `open_`, halfway between two of them."""
    kept = np.finfo(dtype).nmant + (not open_)
    wide = uint64 if dtype == float64 else uint32
    words = draw_words(key, shape, wide) >> (8 * wide.itemsize - kept)
    numbers = functions.astype(words, dtype)
    if open_:
        numbers = numbers + 0.5
    return numbers * 2.0**-kept


def uniform(
    key: Tensor,
    shape: int | Sequence[int] = (),
    dtype: Any = float32,
    low: ArrayLike = 0.0,
    high: ArrayLike = 1.0,
) -> Tensor:
    """Numbers in [low, high), each as probable as any other.

    `low` and `high` may be tensors that broadcast to `shape`. From 0 to 1, results are multiples of
    2**-24 in float32, of 2**-53 in float64 and of 2**-11 in float16.

    Raises:
        ArgumentError: `low` is above `high`, or no key.
        DTypeError: `dtype` is no float.

    >>> import allumette_core as al
    >>> x = al.random.uniform(al.random.key(0), (1000,), low=-1.0)
    >>> bool(x.min() >= -1), bool(x.max() < 1)
    (True, True)
    """
    dtype = float_dtype("uniform", dtype)
    unit = unit_floats(checked("uniform", key), sizes_of(shape), dtype)
    if isinstance(low, int | float) and isinstance(high, int | float):
        if not low <= high:
            raise ArgumentError(f"uniform: low={low} must not be above high={high}")
        if (low, high) == (0, 1):
            return unit
    start, end = (Tensor(cast(as_node(v, unit._node.device), dtype)) for v in (low, high))
    out = unit * (end - start) + start
    out = functions.where(out < end, out, start)  # rounding may reach the end
    return functions.broadcast_to(out, unit.shape)


def normal(
    key: Tensor,
    shape: int | Sequence[int] = (),
    dtype: Any = float32,
    mean: ArrayLike = 0.0,
    std: ArrayLike = 1.0,
) -> Tensor:
    """Normally distributed numbers; `mean` and `std` may be tensors that broadcast to `shape`.

    Two words make two numbers (Box and Muller, 1958). Backends may differ in the last bits, since
    their logarithms and cosines do.

    Raises:
        ArgumentError: no key.
        DTypeError: `dtype` is no float.

    >>> import allumette_core as al
    >>> x = al.random.normal(al.random.key(0), (10000,))
    >>> abs(x.mean().item()) < 0.05, abs(al.std(x).item() - 1) < 0.05
    (True, True)
    """
    dtype, sizes = float_dtype("normal", dtype), sizes_of(shape)
    wide = float32 if dtype == float16 else dtype
    count = math.prod(sizes)
    units = unit_floats(checked("normal", key), ((count + 1) // 2, 2), wide, open_=True)
    radius = functions.sqrt(-2 * functions.log(units[:, 0]))
    angle = units[:, 1] * (2 * math.pi)
    pairs = functions.stack([radius * functions.cos(angle), radius * functions.sin(angle)], axis=1)
    flat = functions.reshape(pairs, (-1,))[:count] if count else functions.zeros(0, wide)
    out = functions.astype(functions.reshape(flat, sizes), dtype)
    if isinstance(mean, int | float) and isinstance(std, int | float) and (mean, std) == (0, 1):
        return out
    return functions.broadcast_to(out * std + mean, sizes)


def gumbel(key: Tensor, shape: int | Sequence[int] = (), dtype: Any = float32) -> Tensor:
    """Numbers of the standard Gumbel distribution, `-log(-log(u))`; all are finite.

    >>> import allumette_core as al
    >>> al.random.gumbel(al.random.key(0), (2, 3)).shape
    (2, 3)
    """
    unit = unit_floats(checked("gumbel", key), sizes_of(shape), float_dtype("gumbel", dtype), True)
    return -functions.log(-functions.log(unit))
